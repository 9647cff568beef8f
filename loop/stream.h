/* yoke/loop/stream.h - streams: reading and writing bytes in a straight line.
 *
 * A stream is a TCP connection, a Unix socket, a pipe, a terminal or a file, with or without TLS
 * (tls.h): one type and one set of calls. net.h makes most of them.
 *
 *   yk_stream *s;
 *   int err = yk_connect(&s, "example.org", 79, yk_after_ms(5000));
 *   if (err)
 *       return err;
 *   err = yk_stream_write(s, "alice\r\n", 7, YK_FOREVER);
 *   char line[256];
 *   while (!err && !(err = yk_stream_read_line(s, line, sizeof line, NULL, yk_after_ms(5000))))
 *       puts(line);
 *   yk_stream_close(s);                          (err is YK_END where all went well)
 *
 * Back-pressure goes both ways. What a peer sends faster than it is read fills a buffer up to a
 * limit, then the system's, and then the peer has to wait. A write to a peer that does not read
 * waits while more than a high-water mark is unsent.
 *
 * Waits suspend the task until `deadline` (clock.h; 0: do not wait). Beside what each call says
 * they return UV_ETIMEDOUT; YK_ECANCELED; YK_EONLOOP, where they would have to wait outside a task;
 * UV_EBUSY, where another task waits in the same direction already: one may read while one writes;
 * YK_ECLOSED, when the stream was closed or aborted, also in the middle of the wait; or the error
 * that the connection broke with, such as UV_ECONNRESET, which stays. A read that does not return 0
 * has taken nothing: what had come by then is there for the next one. A write that does not return
 * 0 has written nothing.
 *
 * A stream belongs to whoever made it, until yk_stream_close(), and to the thread of its loop:
 * elsewhere its calls return UV_EINVAL. It may outlive its loop, which breaks it (YK_ECLOSED).
 */
#ifndef YOKE_LOOP_STREAM_H
#define YOKE_LOOP_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "../executor/clock.h"
#include "transport.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_stream yk_stream;

/* A stream on a descriptor, which is the stream's from then on; yk_transport_open() says of what
 * kind and what it returns. */
int yk_stream_open(yk_stream **stream, int fd);

/* Two that are connected with each other. */
int yk_stream_pair(yk_stream *pair[2]);

/* The end: tasks that wait in it wake with YK_ECLOSED, and it must not be used any more. What was
 * written and is unsent is sent in the background, for 10 seconds at the longest; yk_stream_drain()
 * before it, to be sure. Takes NULL. */
void yk_stream_close(yk_stream *s);

/* Cuts the connection and drops what is unsent: the peer of a TCP connection sees a reset. Every
 * call returns YK_ECLOSED from then on; yk_stream_close() is still due. */
void yk_stream_abort(yk_stream *s);

/* ---- Reading --------------------------------------------------------------------------------- */

/* Waits until there is something, and takes up to `cap` bytes of it. *len: how many, at least 1.
 * YK_END: the peer will send no more. */
int yk_stream_read_some(yk_stream *s, void *out, size_t cap, size_t *len, uint64_t deadline);

/* Takes `len` bytes. YK_END: there are none, and no more will come; YK_ETRUNCATED: some, but not
 * so many. */
int yk_stream_read_exactly(yk_stream *s, void *out, size_t len, uint64_t deadline);

/* Takes all up to the first delimiter, and that: at most `cap` bytes. YK_ETOOBIG: the delimiter is
 * not among the first `cap`; YK_END: nothing more comes; YK_ETRUNCATED: something, but not the
 * delimiter. */
int yk_stream_read_until(yk_stream *s, const void *delimiter, size_t delimiter_len, void *out,
                         size_t cap, size_t *len, uint64_t deadline);

/* Takes a line, which ends in \n or \r\n, and stores it without that end and with a NUL. Its length
 * in *len, which may be NULL. What stands before the end of the stream is a line, too. YK_ETOOBIG:
 * it does not fit into `size` bytes with its NUL; YK_END: there are no more lines. */
int yk_stream_read_line(yk_stream *s, char *line, size_t size, size_t *len, uint64_t deadline);

/* Bytes that can be had without a wait. */
size_t yk_stream_readable(const yk_stream *s);

/* ---- Writing --------------------------------------------------------------------------------- */

/* Waits until no more than the high-water mark is unsent, and then takes all of it, copying what
 * cannot be sent at once. So what is unsent is bounded by the mark and the largest single write.
 * YK_ECLOSED also: writing was ended. */
int yk_stream_write(yk_stream *s, const void *data, size_t len, uint64_t deadline);
int yk_stream_writev(yk_stream *s, const struct iovec *pieces, size_t n, uint64_t deadline);

/* Waits until nothing is unsent: the system has all of it. */
int yk_stream_drain(yk_stream *s, uint64_t deadline);
size_t yk_stream_unsent(const yk_stream *s);

/* Half-close: after all that was written the peer sees the end, and may go on sending. Does not
 * wait. */
int yk_stream_end_writing(yk_stream *s);

/* ---- Limits and state ------------------------------------------------------------------------ */

/* How many bytes may have come and not been read (64 KiB unless set; up to 64 KiB more come with
 * the last read from the system, and a read that asks for more gets it), and how many may be
 * unsent before a write waits (64 KiB). 0 leaves one as it is. */
void yk_stream_set_limits(yk_stream *s, size_t unread, size_t unsent);

/* What it broke with, 0 if it has not; and the same in words, which for TLS say more than the
 * number. */
int yk_stream_error(const yk_stream *s);
const char *yk_stream_error_text(const yk_stream *s);

/* The descriptor beneath, -1 when there is none any more: to set options, not to read or write. */
int yk_stream_fd(const yk_stream *s);

#ifdef __cplusplus
}
#endif
#endif
