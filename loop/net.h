/* yoke/loop/net.h - connecting, listening, and serving connections.
 *
 *   static int greet(yk_stream *s, void *arg)         (a task for each connection)
 *   {
 *       return yk_stream_write(s, "hello\n", 6, YK_FOREVER);
 *   }
 *   ...
 *   yk_listener *l;
 *   int err = yk_listen(&l, "127.0.0.1", 0);          (any port: yk_listener_port() says which)
 *   if (err)
 *       return err;
 *   yk_server *server = yk_server_start(l, greet, NULL);
 *   ...
 *   yk_server_stop(server, yk_after_ms(5000));
 *   yk_listener_close(l);
 *
 * All of it is for the loop's thread; what waits, for its tasks. Waits return what stream.h says.
 * Outputs are untouched on failure.
 */
#ifndef YOKE_LOOP_NET_H
#define YOKE_LOOP_NET_H

#include <stddef.h>
#include <stdint.h>

#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Connecting ------------------------------------------------------------------------------ */

/* Connects to a host, which is a name or a numeric address. Names are looked up as in dns.h, and
 * all their addresses are tried, one after the other, until one answers; a deadline leaves each
 * its part of the time. Returns 0; an error of the lookup (UV_EAI_NONAME, ...); or of the last
 * address (UV_ECONNREFUSED, ...). */
int yk_connect(yk_stream **stream, const char *host, uint16_t port, uint64_t deadline);

/* The same, and leaves it at the descriptor, which is the caller's: for a transport
 * (transport.h), or for another library. It is non-blocking. */
int yk_connect_fd(int *fd, const char *host, uint16_t port, uint64_t deadline);

/* Connects to a Unix socket; waits while its backlog is full. UV_ENAMETOOLONG: 107 bytes are the
 * most. */
int yk_connect_unix(yk_stream **stream, const char *path, uint64_t deadline);

/* ---- Addresses ------------------------------------------------------------------------------- */

#define YK_ADDRESS_MAX 128 /* room for any address as text, with its NUL */

/* "192.0.2.1:80", "[2001:db8::1]:80", "/run/thing.sock", or "" for a Unix socket without a name.
 * 0; YK_ETOOBIG: no room; UV_EINVAL: not a socket; or the system's error. */
int yk_stream_peer(const yk_stream *s, char *text, size_t size);
int yk_stream_address(const yk_stream *s, char *text, size_t size);

/* ---- Listening ------------------------------------------------------------------------------- */

typedef struct yk_listener yk_listener;

typedef struct yk_listen_options {
    int backlog; /* connections that wait to be accepted; 0: 4096; no more than the system allows */
    bool reuse_port; /* several sockets may listen on the port, and share its connections */
} yk_listen_options;

/* Listens on a numeric address or a name that this machine has ("localhost"), NULL: on all; port 0:
 * any that is free. Looking up a name takes a task. UV_EADDRINUSE, UV_EADDRNOTAVAIL, UV_EACCES,
 * UV_EAI_..., and the system's others. */
int yk_listen_opts(yk_listener **listener, const char *host, uint16_t port,
                   const yk_listen_options *options);
#define yk_listen(listener, host, port) yk_listen_opts((listener), (host), (port), NULL)
#define yk_listen_with(listener, host, port, ...) \
    yk_listen_opts((listener), (host), (port), &(yk_listen_options){ __VA_ARGS__ })

/* Listens on a Unix socket, which is removed when the listener is closed. A socket that was left by
 * a program that died is replaced; one on which somebody listens is UV_EADDRINUSE (it sees a
 * connection that ends at once). */
int yk_listen_unix(yk_listener **listener, const char *path);

/* A socket that listens already (given by whoever started this program); it is the listener's from
 * then on. */
int yk_listen_fd(yk_listener **listener, int fd);

/* Waits for a connection. Where descriptors have run out it returns UV_EMFILE, UV_ENFILE or
 * UV_ENOBUFS at once, and the connection still waits to be accepted; where memory has, UV_ENOMEM,
 * and it may be lost. UV_EBUSY: another task waits already. */
int yk_accept(yk_listener *l, yk_stream **stream, uint64_t deadline);
int yk_accept_fd(yk_listener *l, int *fd, uint64_t deadline); /* as yk_connect_fd */

/* Its address as text, as above; and its port, 0 if it has none. */
int yk_listener_address(const yk_listener *l, char *text, size_t size);
uint16_t yk_listener_port(const yk_listener *l);

/* A task that waits in it wakes with YK_ECLOSED. Connections that nobody has accepted are reset.
 * Takes NULL. Connections that were accepted live on. */
void yk_listener_close(yk_listener *l);

/* ---- Serving --------------------------------------------------------------------------------- */

typedef struct yk_server yk_server;

/* Serves one connection, in a task of its own. The stream is the server's, which closes it when
 * this returns. What it returns is told to nobody. Cancelled: the server stops. */
typedef int (*yk_connection_fn)(yk_stream *stream, void *arg);

typedef struct yk_server_options {
    size_t most;                 /* connections at once, others wait to be accepted; 0: 10,000 */
    size_t stack_size;           /* of their tasks; 0: 256 KiB */
    struct yk_semaphore *places; /* NULL, or in place of `most`: each connection takes one while it
                                    is served, so several servers share what there is (sync.h) */
} yk_server_options;

/* Accepts connections until it is stopped, each with a task. Where descriptors run out it tries
 * again a little later, and goes on. The listener must outlive it. NULL: no memory, or no loop. */
yk_server *yk_server_start_opts(yk_listener *l, yk_connection_fn fn, void *arg,
                                const yk_server_options *options);
#define yk_server_start(l, fn, arg) yk_server_start_opts((l), (fn), (arg), NULL)
#define yk_server_start_with(l, fn, arg, ...) \
    yk_server_start_opts((l), (fn), (arg), &(yk_server_options){ __VA_ARGS__ })

/* Connections that are being served. */
size_t yk_server_connections(const yk_server *server);

/* Accepts no more; what is served goes on. To be followed by the call below. In a task, which may
 * not be one of the server's own. */
void yk_server_stop_accepting(yk_server *server);

/* Accepts no more, and waits until those that are served have ended; at the deadline, or when the
 * caller is cancelled, it cancels them. Frees the server. Returns 0; UV_ETIMEDOUT or YK_ECANCELED:
 * some were cancelled; YK_EONLOOP outside a task, and then nothing was done. Takes NULL. */
int yk_server_stop(yk_server *server, uint64_t deadline);

#ifdef __cplusplus
}
#endif
#endif
