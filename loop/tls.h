/* yoke/loop/tls.h - TLS on any stream, by OpenSSL.
 *
 *   yk_tls *tls;                                     (once; it serves any number of streams)
 *   int err = yk_tls_client(&tls, .alpn = "http/1.1");
 *   ...
 *   err = yk_connect(&s, "example.org", 443, deadline);
 *   if (!err)
 *       err = yk_stream_start_tls(s, tls, "example.org", deadline);
 *
 * From then on the stream is encrypted, and everything in stream.h is as it was. A server does the
 * same first thing for each connection, with yk_tls_server() and no host.
 *
 * A client talks to nobody whose certificate is not signed by somebody it trusts, not of this time,
 * or not for this host: YK_ECERTIFICATE. TLS 1.2 is the oldest version spoken. The end of the
 * stream is announced on both sides: where the peer's end comes without, the stream was truncated,
 * which is an error (YK_ETRUNCATED) and not its end. Other failures of the peer's are YK_ETLS;
 * yk_stream_error_text() says more.
 *
 * A handshake computes for about a millisecond, on the loop. It takes stack: the tasks of such
 * streams should have 64 KiB at least.
 */
#ifndef YOKE_LOOP_TLS_H
#define YOKE_LOOP_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Certificates, keys, and whom to trust. May be shared by threads. */
typedef struct yk_tls yk_tls;

/* Files are PEM. */
typedef struct yk_tls_options {
    const char *certificate; /* ours, and those it is signed by, in order; a server has one */
    const char *key;         /* of the certificate; NULL: in the same file */
    const char *ca_file; /* whom to trust. NULL: a client trusts whom the system trusts, a server
                            asks for no certificate. A server with this asks, and insists */
    const char *alpn;    /* protocols that are spoken here, the best first: "h2,http/1.1" */
    bool unverified;     /* a client that talks to anybody: whoever is in between hears it */
} yk_tls_options;

/* Reads the files, which takes a moment. The result is the caller's. 0; UV_ENOENT, UV_EACCES, ...:
 * a file cannot be read; YK_ETLS: it is not what it should be, or the key is another one's;
 * UV_EINVAL; UV_ENOMEM. */
int yk_tls_client_opts(yk_tls **tls, const yk_tls_options *options);
int yk_tls_server_opts(yk_tls **tls, const yk_tls_options *options);
#define yk_tls_client(tls, ...) yk_tls_client_opts((tls), &(yk_tls_options){ __VA_ARGS__ })
#define yk_tls_server(tls, ...) yk_tls_server_opts((tls), &(yk_tls_options){ __VA_ARGS__ })

/* Streams that use it live on. Takes NULL. */
void yk_tls_free(yk_tls *tls);

/* Makes the stream a TLS stream: a client's, to `host` (a name or a numeric address, which the
 * certificate must be for), or a server's (NULL). What was written before is sent as it is; what
 * has come and was not read counts as part of the handshake. In a task; no other may wait in the
 * stream. An error breaks the stream, but for YK_EONLOOP, UV_EBUSY, UV_EALREADY (it is one), and
 * UV_EINVAL (a client without a host, unless it is `unverified`; a server with one). */
int yk_stream_start_tls(yk_stream *s, yk_tls *tls, const char *host, uint64_t deadline);

/* The protocol that both sides speak, "" if they agreed on none. Good while the stream is. */
const char *yk_stream_alpn(const yk_stream *s);

#ifdef __cplusplus
}
#endif
#endif
