/* yoke/loop/transport.h - connections with callbacks: the layer beneath the streams.
 *
 * Whoever writes tasks uses streams (stream.h). This is for code that would rather be called: a
 * protocol says what is to happen, a transport moves the bytes. It is a socket, a pipe, a terminal
 * or a file, or encryption on top of one.
 *
 *   static void echo(yk_transport *t, const void *data, size_t len, void *arg)
 *   {
 *       yk_transport_write(t, data, len);
 *   }
 *   static const yk_protocol echoing = { .data = echo };
 *   ...
 *   err = yk_transport_open(&t, fd, &echoing, NULL);
 *
 * The order of the callbacks: connected, then data any number of times, then eof at most once, then
 * lost, exactly once. pause_writing and resume_writing take turns in between. A transport belongs
 * to the loop and is good until `lost` has returned: whatever happens, that comes, and never from
 * within a call of the program's.
 *
 * Everything here is for the loop's thread. A loop that is closed ends the transports that are
 * left, with YK_ECLOSED. The first one has the program ignore SIGPIPE, if that had its default: a
 * peer that has gone is an error of the write.
 */
#ifndef YOKE_LOOP_TRANSPORT_H
#define YOKE_LOOP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_transport yk_transport;

/* Any of them may be NULL. They run on the loop's thread, mostly outside tasks, and may call
 * anything of the transport's. */
typedef struct yk_protocol {
    /* It can be written to, and begins to read when this has returned, unless reading was paused
     * here. From within yk_transport_open(), where there is no handshake to be awaited. */
    void (*connected)(yk_transport *t, void *arg);

    /* `len` bytes, at least 1, good for the call. */
    void (*data)(yk_transport *t, const void *data, size_t len, void *arg);

    /* The peer will send no more; what we write still goes to it. NULL: the transport is closed. */
    void (*eof)(yk_transport *t, void *arg);

    /* It is over; the transport is freed when this returns. 0: it was closed; else why. */
    void (*lost)(yk_transport *t, int err, void *arg);

    /* More than the high-water mark is unsent: write no more, if you can; and: no more than the
     * low-water mark is. */
    void (*pause_writing)(yk_transport *t, void *arg);
    void (*resume_writing)(yk_transport *t, void *arg);
} yk_protocol;

/* Makes one of a descriptor, which is the transport's from then on: a connected stream socket
 * (TCP, Unix), either end of a pipe, a terminal, a file (which is read and written from where it
 * stands, on libuv's threads). It becomes non-blocking, in whatever process it is shared.
 * `*protocol` is copied. Returns 0; UV_EINVAL: no loop on this thread, or not such a descriptor;
 * YK_ECLOSED: the loop is being closed; UV_ENOMEM; and then the descriptor is still the
 * caller's. */
int yk_transport_open(yk_transport **transport, int fd, const yk_protocol *protocol, void *arg);

/* Another protocol for what comes from now on; `connected` is not called. */
void yk_transport_set_protocol(yk_transport *t, const yk_protocol *protocol, void *arg);

/* Sends the bytes, and copies what cannot be sent at once. It takes whatever it is given: heed
 * pause_writing. 0; YK_ECLOSED: it is closed, or writing was ended; UV_ENOMEM. An error of the
 * connection is told by `lost`, and returned by later calls. */
int yk_transport_write(yk_transport *t, const void *data, size_t len);
int yk_transport_writev(yk_transport *t, const struct iovec *pieces, size_t n);

/* Half-close: the peer sees the end after all that was written, and may still send. 0, YK_ECLOSED,
 * UV_ENOTCONN. A pipe that is only written to is closed by it. */
int yk_transport_end_writing(yk_transport *t);

/* Not reading, the peer is held back by the system's own buffers. Resuming may call `data` at once,
 * if something is there already. UV_ENOTCONN: there is nothing to read from here. */
int yk_transport_pause_reading(yk_transport *t);
int yk_transport_resume_reading(yk_transport *t);
bool yk_transport_is_reading(const yk_transport *t);

/* How many bytes the system has not taken yet. */
size_t yk_transport_unsent(const yk_transport *t);

/* When pause_writing and resume_writing are called: above `high`, and at `low` or less. 64 KiB and
 * 16 KiB unless set; low at most high. */
void yk_transport_set_water_marks(yk_transport *t, size_t high, size_t low);

/* Reads no more, sends what is unsent, for 10 seconds at the longest, and then is lost (0). A loop
 * that is closed waits for that. */
void yk_transport_close(yk_transport *t);

/* Lost as soon as possible (YK_ECLOSED); what is unsent is dropped, and the peer of a TCP
 * connection sees a reset. */
void yk_transport_abort(yk_transport *t);

/* Whether it is closed or broken, and `lost` is about to come. */
bool yk_transport_is_closing(const yk_transport *t);

/* The descriptor beneath, to ask for addresses and set options; not to read or write. */
int yk_transport_fd(const yk_transport *t);

#ifdef __cplusplus
}
#endif
#endif
