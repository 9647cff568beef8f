/* What the tests of transports, streams, sockets and TLS share. */
#ifndef TESTS_LOOP_STREAMS_H
#define TESTS_LOOP_STREAMS_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common.h"
#include "support/support.h"

/* Runs fn(arg) as a task of a new loop, with which `eventually` lets others run. */
void on_loop(yk_task_fn fn, void *arg);

/* A byte that belongs at this place of a long transfer. */
static inline char byte_at(size_t i)
{
    return (char)((i * 2654435761u) >> 13);
}

/* Bytes of which each is in its place; to be freed. */
char *pattern(size_t len);

/* A connected pair of plain descriptors, the first one for the library; both non-blocking. */
void plain_pair(int fds[2]);

/* Reads until the end or an error, in a task; returns how many bytes came. *err, which may be NULL:
 * 0 at the end, or errno's. */
size_t drain_plain(int fd, int *err);

/* A new file in a folder that is removed by the system's own rules: it has no name. */
int nameless_file(void);

#define assert_ok(call) assert_int_equal((call), 0)

#endif
