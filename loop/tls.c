/* Certificates, keys and trust; and streams that become TLS streams. */
#include "tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "stream_internal.h"
#include "tls_internal.h"

/* ---- Settings -------------------------------------------------------------------------------- */

/* What OpenSSL has just failed for. */
static int last_error(void)
{
    unsigned long e = ERR_peek_error();
    int err = YK_ETLS;
    if (ERR_SYSTEM_ERROR(e))
        err = uv_translate_sys_error(ERR_GET_REASON(e));
    else if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
        err = UV_ENOMEM;
    ERR_clear_error();
    return err;
}

/* Any list "h2,http/1.1" as on the wire: each name after its length. */
static int set_alpn(yk_tls *tls, const char *names)
{
    while (names && *names) {
        size_t len = strcspn(names, ",");
        if (len == 0 || len > 255 || tls->alpn_len + 1 + len > sizeof tls->alpn)
            return UV_EINVAL;
        tls->alpn[tls->alpn_len++] = (unsigned char)len;
        memcpy(tls->alpn + tls->alpn_len, names, len);
        tls->alpn_len += (unsigned)len;
        names += len + (names[len] == ',');
    }
    return 0;
}

/* Of a server: the first of ours that the client speaks, too. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *unused)
{
    (void)unused;
    const yk_tls *tls = SSL_get_app_data(ssl);
    unsigned char *chosen;
    if (!tls || SSL_select_next_proto(&chosen, out_len, tls->alpn, tls->alpn_len, in, in_len) !=
                    OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int set_certificate(SSL_CTX *context, const yk_tls_options *o)
{
    const char *key = o->key ? o->key : o->certificate;
    if (SSL_CTX_use_certificate_chain_file(context, o->certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return last_error();
    return 0;
}

static int set_trust(yk_tls *tls, const yk_tls_options *o)
{
    SSL_CTX *context = tls->context;
    int ok = 1;
    if (o->ca_file)
        ok = SSL_CTX_load_verify_locations(context, o->ca_file, NULL);
    else if (!tls->server && !o->unverified)
        ok = SSL_CTX_set_default_verify_paths(context);
    if (ok != 1)
        return last_error();
    int verify = SSL_VERIFY_NONE;
    if (tls->server)
        verify = o->ca_file ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : verify;
    else if (!o->unverified)
        verify = SSL_VERIFY_PEER;
    SSL_CTX_set_verify(context, verify, NULL);
    return 0;
}

static int configure(yk_tls *tls, const yk_tls_options *o)
{
    tls->context = SSL_CTX_new(tls->server ? TLS_server_method() : TLS_client_method());
    if (!tls->context)
        return last_error();
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS);
    int err = set_alpn(tls, o->alpn);
    if (!err && o->certificate)
        err = set_certificate(tls->context, o);
    if (!err)
        err = set_trust(tls, o);
    if (!err && tls->server && tls->alpn_len)
        SSL_CTX_set_alpn_select_cb(tls->context, choose_alpn, NULL);
    return err;
}

static int make_tls(yk_tls **made, const yk_tls_options *o, bool server)
{
    if (server && !o->certificate)
        return UV_EINVAL;
    yk_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return UV_ENOMEM;
    atomic_init(&tls->refs, 1);
    tls->server = server;
    tls->unverified = o->unverified;
    ERR_clear_error();
    int err = configure(tls, o);
    if (err)
        yk_tls_free(tls);
    else
        *made = tls;
    return err;
}

int yk_tls_client_opts(yk_tls **tls, const yk_tls_options *options)
{
    return make_tls(tls, options, false);
}

int yk_tls_server_opts(yk_tls **tls, const yk_tls_options *options)
{
    return make_tls(tls, options, true);
}

yk_tls *yk__tls_ref(yk_tls *tls)
{
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void yk_tls_free(yk_tls *tls)
{
    if (!tls || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) > 1)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

/* ---- One connection -------------------------------------------------------------------------- */

static bool is_address(const char *host)
{
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

/* Whom the certificate must be for; a name is also told to the server, which may have several. */
static bool expect_host(SSL *ssl, const char *host)
{
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

SSL *yk__tls_engine(const yk_tls *tls, const char *host, BIO *in, BIO *out)
{
    SSL *ssl = SSL_new(tls->context);
    if (!ssl) {
        BIO_free(in);
        BIO_free(out);
        return NULL;
    }
    SSL_set_bio(ssl, in, out);
    if (tls->server) {
        SSL_set_app_data(ssl, (void *)tls);
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_set_connect_state(ssl);
    bool ok = !host || expect_host(ssl, host);
    if (ok && tls->alpn_len)
        ok = SSL_set_alpn_protos(ssl, tls->alpn, tls->alpn_len) == 0;
    if (ok)
        return ssl;
    SSL_free(ssl);
    return NULL;
}

/* ---- Streams --------------------------------------------------------------------------------- */

static int may_start(const yk_stream *s, const yk_tls *tls, const char *host)
{
    int err = yk__stream_check(s);
    if (err)
        return err;
    if (!tls || (tls->server ? host != NULL : !host && !tls->unverified))
        return UV_EINVAL;
    if (host && !*host) /* to OpenSSL, any host */
        return UV_EINVAL;
    if (!yk_task_current())
        return YK_EONLOOP;
    if (yk__spot_is_taken(&s->reader) || yk__spot_is_taken(&s->writer))
        return UV_EBUSY;
    if (!s->transport)
        return s->err;
    return yk__transport_is_tls(s->transport) ? UV_EALREADY : s->eof ? YK_ETRUNCATED : 0;
}

/* In between there is nobody to call, and nothing that could. */
static int put_tls_below(yk_stream *s, yk_tls *tls, const char *host)
{
    int err =
        yk__tls_transport_open(&s->transport, s->transport, tls, host, &yk__stream_protocol, s);
    if (err)
        return err;
    s->handshaking = true;
    s->writing_paused = false;
    yk_transport_set_water_marks(s->transport, s->high_water, s->high_water / 4);
    char *came = s->bytes; /* as part of the handshake, and of nothing that is read later */
    size_t start = s->start, len = s->len;
    s->bytes = NULL;
    s->start = s->len = s->cap = 0;
    if (len > 0)
        yk__tls_feed(s->transport, came + start, len);
    free(came);
    return 0;
}

static int await_handshake(yk_stream *s, uint64_t deadline)
{
    int err = 0;
    while (!err && s->handshaking && s->transport)
        err = yk__stream_wait(s, &s->reader, deadline);
    if (err == YK_ECLOSED)
        return err;
    if (err)
        yk_stream_abort(s);
    else if (!s->transport)
        err = s->err;
    return err;
}

int yk_stream_start_tls(yk_stream *s, yk_tls *tls, const char *host, uint64_t deadline)
{
    int err = may_start(s, tls, host);
    if (!err)
        err = yk_stream_drain(s, deadline);
    if (!err)
        err = may_start(s, tls, host); /* others have run meanwhile */
    if (!err)
        err = put_tls_below(s, tls, host);
    return err ? err : await_handshake(s, deadline);
}

const char *yk_stream_alpn(const yk_stream *s)
{
    return s->transport && yk__transport_is_tls(s->transport) ? yk__tls_alpn(s->transport) : "";
}
