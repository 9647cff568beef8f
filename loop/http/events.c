/* Server-sent events (WHATWG HTML, 9.2). */
#include <stdlib.h>
#include <string.h>

#include "http_internal.h"

int yk_http_events(yk_http *h)
{
    int err = yk_http_set(h, "Cache-Control", "no-store");
    if (!err)
        err = yk_http_begin(h, 200, "text/event-stream", YK_HTTP_UNKNOWN);
    return err ? err : yk_http_flush(h);
}

/* Each line of the data is a line of its own, whatever ends it. */
static char *put_data(char *to, const char *data)
{
    for (;;) {
        size_t len = strcspn(data, "\r\n");
        to = mempcpy(to, "data: ", 6);
        to = mempcpy(to, data, len);
        *to++ = '\n';
        data += len;
        if (!*data)
            return to;
        data += data[0] == '\r' && data[1] == '\n' ? 2 : 1;
    }
}

static size_t lines_of(const char *data)
{
    size_t lines = 1;
    for (; *data; data++)
        lines += *data == '\r' || *data == '\n';
    return lines;
}

int yk_http_event(yk_http *h, const char *event, const char *data)
{
    if (event && (!*event || strpbrk(event, "\r\n")))
        return UV_EINVAL;
    size_t name = event ? strlen(event) : 0;
    size_t most = 8 + name + (data ? strlen(data) + 7 * lines_of(data) : 7) + 2;
    char *text = malloc(most), *to = text;
    if (!text)
        return UV_ENOMEM;
    if (event) {
        to = mempcpy(to, "event: ", 7);
        to = mempcpy(to, event, name);
        *to++ = '\n';
    }
    if (data || event)
        to = put_data(to, data ? data : "");
    else
        to = mempcpy(to, ":\n", 2); /* a comment */
    *to++ = '\n';
    int err = yk_http_write(h, text, (size_t)(to - text));
    free(text);
    return err ? err : yk_http_flush(h);
}
