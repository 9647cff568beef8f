/* loop/serve/sockets.h - the sockets that a supervisor opens and keeps. Not installed.
 *
 * A site is one address. Each slot has a socket of its own there (SO_REUSEPORT), which stays while
 * workers come and go, and with it the connections that wait in it. A Unix socket, and one that
 * the program was given without SO_REUSEPORT, is one for all slots.
 *
 * The kernel numbers the sockets of an address in the order in which they began to listen, and
 * gives a connection to any of them. Steering has it choose among the first few.
 */
#ifndef YOKE_LOOP_SERVE_SOCKETS_H
#define YOKE_LOOP_SERVE_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "../net.h"
#include "serve.h"

typedef struct yk__site {
    char text[YK_ADDRESS_MAX + 5]; /* "127.0.0.1:8080", "unix:/run/thing.sock" */
    struct sockaddr_storage address;
    socklen_t len;
    bool is_one_for_all;
    bool owns_path;     /* of a Unix socket: that file is removed at the end */
    bool inherits_path; /* it will be ours, when the program before has given it up */
    dev_t device;
    ino_t inode;
    int fds[YK_SERVE_MOST_WORKERS]; /* by slot; -1: none */
} yk__site;

typedef struct yk__sockets {
    yk__site *sites;
    size_t n;
    unsigned slots; /* so many have sockets */
} yk__sockets;

/* Opens an address for the first slot. Logs what is wrong with it. */
int yk__sockets_add(yk__sockets *s, const char *address);

/* The socket of `site` for `slot`; -1: none. */
int yk__sockets_fd(const yk__sockets *s, size_t site, unsigned slot);

/* Sockets for the next slot; closes those of the last. */
int yk__sockets_grow(yk__sockets *s);
void yk__sockets_shrink(yk__sockets *s);

/* Connections that come from now on go to the first `slots` alone; 0: to all. */
void yk__sockets_steer(const yk__sockets *s, unsigned slots);

/* Closes all; `remove`: the files of Unix sockets, too. */
void yk__sockets_close(yk__sockets *s, bool remove);

/* Takes a socket that listens already, for the next slot where it has the address of another.
 * `inherits_path`: see below. */
int yk__sockets_adopt(yk__sockets *s, int fd, bool inherits_path);

/* After that: opens what some of the slots lack. */
int yk__sockets_fill(yk__sockets *s);

/* From now on the files of Unix sockets that were inherited are removed at the end. */
void yk__sockets_own(yk__sockets *s);

#endif
