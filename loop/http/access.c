/* What the access log is told of an answer. */
#include <string.h>

#include "http_internal.h"
#include "log_internal.h"

/* The address alone: "192.0.2.1", "2001:db8::1". Kept, as asking the system for it takes a while.
 */
static const char *peer_of(yk__http_conn *c)
{
    char text[YK_ADDRESS_MAX];
    if (*c->peer || yk_stream_peer(c->stream, text, sizeof text))
        return c->peer;
    char *at = text, *port = strrchr(text, ':');
    if (*at == '[' && port > at && port[-1] == ']') {
        at++;
        port--;
    }
    if (*at != '/' && port)
        *port = '\0';
    if (*at != '/' && strlen(at) < sizeof c->peer)
        strcpy(c->peer, at);
    else
        strcpy(c->peer, "unix:");
    return c->peer;
}

void yk__http_note(yk_http *h, int status, uint64_t began)
{
    yk__http_conn *c = h->conn;
    if (!c->service->log)
        return;
    const char *method = h->head.method;
    yk__http_log_add(c->service->log, &(yk__http_entry){
                                          .peer = peer_of(c),
                                          .method = method,
                                          .target = *method ? h->head.target : "",
                                          .minor = h->head.minor,
                                          .status = status,
                                          .bytes = h->status && !h->bodiless ? h->written : 0,
                                          .ns = began ? yk_now() - began : 0,
                                          .referer = yk_http_header(h, "Referer"),
                                          .agent = yk_http_header(h, "User-Agent"),
                                      });
}
