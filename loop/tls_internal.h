/* loop/tls_internal.h - TLS as a transport on another one. Not installed. */
#ifndef YOKE_LOOP_TLS_INTERNAL_H
#define YOKE_LOOP_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "tls.h"
#include "transport_internal.h"

#define YK__ALPN_MAX 256

struct yk_tls {
    SSL_CTX *context;
    _Atomic unsigned refs; /* the program's, and one for each engine; given back with release */
    bool server, unverified;
    unsigned char alpn[YK__ALPN_MAX]; /* as on the wire */
    unsigned alpn_len;
};

yk_tls *yk__tls_ref(yk_tls *tls);

/* An engine for one connection; it writes to and reads from the two buffers, which are its. NULL:
 * no memory, or a host that is none. */
SSL *yk__tls_engine(const yk_tls *tls, const char *host, BIO *in, BIO *out);

/* Puts TLS on `lower`, whose callbacks are its from then on, and begins the handshake; `connected`
 * comes when that has succeeded. UV_ENOMEM, UV_EINVAL, YK_ECLOSED: nothing has changed. */
int yk__tls_transport_open(yk_transport **transport, yk_transport *lower, yk_tls *tls,
                           const char *host, const yk_protocol *protocol, void *arg);

bool yk__transport_is_tls(const yk_transport *t);

/* For such ones. What has come for it otherwise. */
void yk__tls_feed(yk_transport *t, const void *data, size_t len);

const char *yk__tls_alpn(const yk_transport *t); /* "" for none */

#endif
