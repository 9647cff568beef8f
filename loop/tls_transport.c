/* TLS as a transport on another one. OpenSSL sees two buffers in memory: what comes from below is
 * put into one, what it puts into the other is sent.
 *
 * Reading is paused below as soon as something waits that nobody wants; and not before, so that
 * what the peer sends unasked after a handshake does not stay in the system's buffer, where it
 * would turn our close into a reset.
 */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "tls_internal.h"

#define PIECE ((size_t)16 << 10) /* a record's plaintext at most */

typedef struct tls_transport {
    yk_transport base; /* the first member */
    yk_transport *lower;
    yk_tls *tls;
    SSL *ssl;
    BIO *in, *out; /* the engine's */
    bool connected;
    bool read_on;
    bool lower_eof;
    bool pumping;
    char alpn[YK__ALPN_MAX];
    char piece[PIECE];
} tls_transport;

static tls_transport *of(const yk_transport *t)
{
    return (tls_transport *)t;
}

/* ---- Downwards ------------------------------------------------------------------------------- */

static int flush(tls_transport *t)
{
    char *bytes;
    long n = BIO_get_mem_data(t->out, &bytes);
    if (n <= 0)
        return 0;
    int err = yk_transport_write(t->lower, bytes, (size_t)n);
    (void)BIO_reset(t->out);
    return err;
}

static int write_piece(tls_transport *t, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t n = len < 4 * PIECE ? len : 4 * PIECE;
        ERR_clear_error();
        if (SSL_write(t->ssl, bytes, (int)n) != (int)n)
            return YK_ETLS;
        int err = flush(t);
        if (err)
            return err;
        bytes += n;
        len -= n;
    }
    return 0;
}

static int write_pieces(yk_transport *base, const struct iovec *pieces, size_t n, size_t total)
{
    (void)total;
    int err = 0;
    for (size_t i = 0; i < n && !err; i++)
        err = write_piece(of(base), pieces[i].iov_base, pieces[i].iov_len);
    return err;
}

static void say_the_end(tls_transport *t)
{
    ERR_clear_error();
    if (t->connected && !(SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(t->ssl);
    flush(t);
}

static int end_writing(yk_transport *base)
{
    say_the_end(of(base));
    return yk_transport_end_writing(of(base)->lower);
}

static size_t unsent(const yk_transport *base)
{
    return yk_transport_unsent(of(base)->lower);
}

/* ---- Upwards --------------------------------------------------------------------------------- */

static void update_reading(tls_transport *t)
{
    if (!t->connected || t->read_on || BIO_pending(t->in) == 0)
        yk_transport_resume_reading(t->lower);
    else
        yk_transport_pause_reading(t->lower);
}

static void fail(tls_transport *t)
{
    long verified = SSL_get_verify_result(t->ssl);
    unsigned long e = ERR_peek_last_error();
    bool distrusted = ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    t->base.reason =
        distrusted ? X509_verify_cert_error_string(verified) : ERR_reason_error_string(e);
    ERR_clear_error();
    flush(t); /* the peer is told */
    yk__transport_broke(&t->base, distrusted ? YK_ECERTIFICATE : YK_ETLS);
}

/* The engine cannot go on. */
static void stand_still(tls_transport *t, int result)
{
    int why = SSL_get_error(t->ssl, result);
    if (why == SSL_ERROR_ZERO_RETURN)
        yk__transport_eof(&t->base);
    else if (why != SSL_ERROR_WANT_READ)
        fail(t);
    else if (t->lower_eof)
        yk__transport_broke(&t->base, YK_ETRUNCATED);
}

static void note_alpn(tls_transport *t)
{
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(t->ssl, &name, &len);
    if (len > 0 && len < sizeof t->alpn)
        memcpy(t->alpn, name, len);
}

static void shake_hands(tls_transport *t)
{
    int result = SSL_do_handshake(t->ssl);
    if (result != 1) {
        stand_still(t, result);
        return;
    }
    flush(t);
    t->connected = true;
    note_alpn(t);
    yk__transport_begin(&t->base);
}

static void read_what_came(tls_transport *t)
{
    while (t->connected && t->read_on && !t->base.closing && !t->base.ended) {
        ERR_clear_error();
        int n = SSL_read(t->ssl, t->piece, PIECE);
        if (n <= 0) {
            stand_still(t, n);
            return;
        }
        yk__transport_data(&t->base, t->piece, (size_t)n);
    }
}

/* Callbacks from here may come back to here, and find it at work. */
static void pump(tls_transport *t)
{
    if (t->pumping || t->base.closing)
        return;
    t->pumping = true;
    ERR_clear_error();
    if (!t->connected)
        shake_hands(t);
    read_what_came(t);
    if (!t->base.closing) {
        int err = flush(t);
        if (err)
            yk__transport_broke(&t->base, err);
    }
    if (!t->base.closing)
        update_reading(t);
    t->pumping = false;
}

static int set_reading(yk_transport *base, bool on)
{
    tls_transport *t = of(base);
    t->read_on = on;
    if (on)
        pump(t);
    return 0;
}

/* ---- What comes from below ------------------------------------------------------------------- */

static void on_data(yk_transport *lower, const void *data, size_t len, void *arg)
{
    tls_transport *t = arg;
    (void)lower;
    if (t->base.closing || t->base.ended) /* after the end nothing counts */
        return;
    if (BIO_write(t->in, data, (int)len) != (int)len)
        yk__transport_broke(&t->base, UV_ENOMEM);
    else
        pump(t);
}

static void on_eof(yk_transport *lower, void *arg)
{
    tls_transport *t = arg;
    (void)lower;
    t->lower_eof = true;
    pump(t);
}

static void on_lost(yk_transport *lower, int err, void *arg)
{
    tls_transport *t = arg;
    (void)lower;
    if (!t->base.dropped)
        t->base.err = err;
    t->base.closing = t->base.dropped = true;
    yk__transport_lost(&t->base);
    SSL_free(t->ssl);
    yk_tls_free(t->tls);
    free(t);
}

static const yk_protocol from_below = { .data = on_data, .eof = on_eof, .lost = on_lost };

/* ---- The end --------------------------------------------------------------------------------- */

static void finish(yk_transport *base)
{
    say_the_end(of(base));
    yk_transport_close(of(base)->lower);
}

static void drop(yk_transport *base, bool reset)
{
    if (reset)
        yk_transport_abort(of(base)->lower);
    else
        yk_transport_close(of(base)->lower);
}

static int fd_of(const yk_transport *base)
{
    return yk_transport_fd(of(base)->lower);
}

static const yk__transport_ops ops = {
    .write = write_pieces,
    .end_writing = end_writing,
    .set_reading = set_reading,
    .unsent = unsent,
    .fd = fd_of,
    .finish = finish,
    .drop = drop,
};

/* ---- Opening --------------------------------------------------------------------------------- */

static int make_engine(tls_transport *t, const yk_tls *tls, const char *host)
{
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->in || !t->out) {
        BIO_free(t->in);
        BIO_free(t->out);
        return UV_ENOMEM;
    }
    t->ssl = yk__tls_engine(tls, host, t->in, t->out);
    return t->ssl ? 0 : UV_ENOMEM;
}

int yk__tls_transport_open(yk_transport **transport, yk_transport *lower, yk_tls *tls,
                           const char *host, const yk_protocol *protocol, void *arg)
{
    tls_transport *t = calloc(1, sizeof *t);
    if (!t)
        return UV_ENOMEM;
    int err = make_engine(t, tls, host);
    if (!err)
        err = yk__transport_init(&t->base, &ops, protocol, arg);
    if (err) {
        SSL_free(t->ssl);
        free(t);
        return err;
    }
    t->lower = lower;
    t->tls = yk__tls_ref(tls);
    lower->above = &t->base;
    lower->writing_paused = false;
    yk_transport_set_protocol(lower, &from_below, t);
    *transport = &t->base;
    pump(t);
    return 0;
}

bool yk__transport_is_tls(const yk_transport *t)
{
    return t->ops == &ops;
}

void yk__tls_feed(yk_transport *t, const void *data, size_t len)
{
    on_data(NULL, data, len, t);
}

const char *yk__tls_alpn(const yk_transport *t)
{
    return of(t)->alpn;
}
