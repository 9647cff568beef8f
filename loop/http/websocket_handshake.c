/* From a request to a WebSocket (RFC 6455, 4.2). */
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "http_internal.h"
#include "list.h"
#include "websocket_internal.h"

/* ---- The key: whoever can answer it knows that it is spoken to as a WebSocket ---------------- */

static bool is_key(const char *key)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return strlen(key) == YK__WS_KEY && strspn(key, base64) == 22 && strcmp(key + 22, "==") == 0 &&
           strchr("AQgw", key[21]); /* 16 bytes: the last digit stands for two bits */
}

bool yk__ws_accept_key(const char *key, char accept[YK__WS_ACCEPT])
{
    static const char id[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[YK__WS_KEY + sizeof id];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    if (!is_key(key))
        return false;
    memcpy(text, key, YK__WS_KEY);
    memcpy(text + YK__WS_KEY, id, sizeof id);
    if (!EVP_Digest(text, sizeof text - 1, digest, &len, EVP_sha1(), NULL))
        return false;
    EVP_EncodeBlock((unsigned char *)accept, digest, (int)len);
    return true;
}

/* ---- What the client asks for ---------------------------------------------------------------- */

/* Whether an element of the fields of that name is this one. */
static bool has_element(const yk_http *h, const char *field, const char *element, bool exactly)
{
    const char *name, *next, *at, *end;
    size_t len = strlen(element);
    for (size_t i = 0; yk_http_next_header(h, &i, &name, &next);)
        while (strcasecmp(name, field) == 0 && yk__list_next(&next, &at, &end))
            if ((size_t)(end - at) == len &&
                (exactly ? strncmp(at, element, len) : strncasecmp(at, element, len)) == 0)
                return true;
    return false;
}

static bool is_own(const yk_http *h, const char *origin)
{
    const char *host = strstr(origin, "://");
    const char *ours = yk_http_header(h, "Host");
    return host && ours && strcasecmp(host + 3, ours) == 0;
}

static bool may_connect(const yk_http *h, const char *const *origins)
{
    const char *origin = yk_http_header(h, "Origin");
    if (!origin)
        return true;
    if (!origins)
        return is_own(h, origin);
    for (; *origins; origins++)
        if (strcasecmp(*origins, origin) == 0)
            return true;
    return false;
}

/* The first of the client's that is spoken here. */
static const char *choose_protocol(const yk_http *h, const char *const *protocols)
{
    const char *best = NULL, *name, *next, *at, *end;
    for (size_t i = 0; protocols && !best && yk_http_next_header(h, &i, &name, &next);)
        while (!best && strcasecmp(name, "Sec-WebSocket-Protocol") == 0 &&
               yk__list_next(&next, &at, &end))
            for (const char *const *p = protocols; *p && !best; p++)
                if (strlen(*p) == (size_t)(end - at) && memcmp(*p, at, strlen(*p)) == 0)
                    best = *p;
    return best;
}

static int ask_for_upgrade(yk_http *h)
{
    int err = yk_http_set(h, "Upgrade", "websocket");
    if (!err)
        err = yk_http_set(h, "Sec-WebSocket-Version", "13");
    return err ? err : yk_http_error(h, 426, "This is a WebSocket.");
}

static bool is_handshake(const yk_http *h)
{
    return strcmp(h->head.method, "GET") == 0 && h->head.minor > 0 &&
           has_element(h, "Upgrade", "websocket", false) &&
           has_element(h, "Connection", "upgrade", false) &&
           has_element(h, "Sec-WebSocket-Version", "13", true);
}

/* ---- The answer ------------------------------------------------------------------------------ */

static int switch_protocols(yk_http *h, const char *accept, const char *protocol)
{
    static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Accept: ";
    int err = yk__http_out(h, head, sizeof head - 1);
    if (!err)
        err = yk__http_out(h, accept, strlen(accept));
    if (!err && protocol) {
        err = yk__http_out(h, "\r\nSec-WebSocket-Protocol: ", 26);
        err = err ? err : yk__http_out(h, protocol, strlen(protocol));
    }
    if (!err && h->fields_len > 0) {
        err = yk__http_out(h, "\r\n", 2);
        err = err ? err : yk__http_out(h, h->fields, h->fields_len - 2);
    }
    if (!err)
        err = yk__http_out(h, "\r\n\r\n", 4);
    return err ? err : yk__http_out_now(h);
}

static void go_away(void *ws)
{
    yk_ws_close(ws, 1001, NULL);
}

/* From here on the connection is the WebSocket's. Its client's end is told by the stream. */
static int serve(yk_http *h, yk_ws *ws, yk_ws_fn fn, void *arg)
{
    yk__http_conn *c = h->conn;
    c->handling = false;
    c->leave = go_away;
    c->leave_arg = ws;
    if (c->here->draining)
        go_away(ws);
    int result = yk__ws_serve(ws, fn, arg);
    c->leave = NULL;
    return result;
}

int yk_websocket_opts(yk_http *h, yk_ws_fn fn, void *arg, const yk_ws_options *options)
{
    static const yk_ws_options none;
    const yk_ws_options *o = options ? options : &none;
    const char *key = yk_http_header(h, "Sec-WebSocket-Key");
    char accept[YK__WS_ACCEPT];
    if (h->status)
        return YK_ECLOSED;
    if (!is_handshake(h))
        return ask_for_upgrade(h);
    if (!key || !h->body_over || !yk__ws_accept_key(key, accept))
        return yk_http_error(h, 400, NULL);
    if (!may_connect(h, o->origins))
        return yk_http_error(h, 403, NULL);
    const char *protocol = choose_protocol(h, o->protocols);
    yk_ws *ws = yk__ws_new(h->conn->stream, protocol, o);
    if (!ws)
        return UV_ENOMEM;
    h->status = 101;
    h->bodiless = true;
    h->conn->last = true;
    YK__HTTP_COUNT(h->conn, answers[1], 1);
    int err = switch_protocols(h, accept, protocol);
    if (!err)
        return serve(h, ws, fn, arg);
    yk__ws_free(ws);
    return err;
}
