/* tests/e2e/browse.c - asks a server over HTTP. HTTP/1.0: the answer ends with the connection. */
#include "browse.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "tool.h"

static int say(unsigned port, const char *method, const char *target, const char *version,
               const char *fields)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char request[8192];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int n = snprintf(request, sizeof request, "%s %s %s\r\nHost: localhost\r\n%s\r\n", method,
                     target, version, fields);
    assert_in_range(n, 1, sizeof request - 1);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
    return fd;
}

page browse(unsigned port, const char *method, const char *target, const char *fields)
{
    page p = { 0 };
    FILE *f = fdopen(say(port, method, target, "HTTP/1.0", fields), "r");
    size_t room = 1 << 16;
    p.text = malloc(room);
    for (size_t n; (n = fread(p.text + p.len, 1, room - p.len - 1, f)) > 0;) {
        p.len += n;
        if (room - p.len < 2)
            p.text = realloc(p.text, room *= 2);
    }
    fclose(f);
    p.text[p.len] = '\0';
    char *end = strstr(p.text, "\r\n\r\n");
    if (!end || sscanf(p.text, "HTTP/1.1 %d", &p.status) != 1)
        fail_msg("%s: not an answer: %s", target, p.text);
    p.body = end + 4;
    return p;
}

void page_free(page *p)
{
    free(p->text);
    *p = (page){ 0 };
}

int begin_browsing(unsigned port, const char *target, const char *fields)
{
    return say(port, "GET", target, "HTTP/1.1", fields);
}

void read_until(int fd, const char *text)
{
    char seen[1 << 16];
    size_t len = 0;
    seen[0] = '\0';
    while (!strstr(seen, text)) {
        ssize_t n = read(fd, seen + len, sizeof seen - 1 - len);
        if (n <= 0)
            fail_msg("no \"%s\" in: %s", text, seen);
        len += (size_t)n;
        seen[len] = '\0';
    }
}

void assert_page(unsigned port, const char *target, int status, const char *text)
{
    page p = get_page(port, target);
    if (p.status != status || !strstr(p.text, text))
        fail_msg("%s: not %d with \"%s\", but: %s", target, status, text, p.text);
    page_free(&p);
}
