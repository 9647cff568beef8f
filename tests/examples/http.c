/* tests/examples/http.c - starts the site and asks it, one request a connection. */
#include "http.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

program *site_start(int *port)
{
    program *site = program_start("site");
    const char *line = program_line(site);
    assert_non_null(line);
    *port = atoi(line);
    return site;
}

int http_connect(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

void http_ask(int fd, const char *path, const char *header)
{
    assert_true(dprintf(fd, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, header) > 0);
}

const char *http_get(int port, const char *path)
{
    static char text[8192];
    size_t len = 0;
    int fd = http_connect(port);
    http_ask(fd, path, "Connection: close\r\n");
    for (ssize_t n; (n = read(fd, text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    close(fd);
    return text;
}

struct site_stats site_stats(int port)
{
    struct site_stats s;
    const char *body = strstr(http_get(port, "/stats"), "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(sscanf(body, " connections %u requests %u now %u most %u", &s.connections,
                            &s.requests, &s.now, &s.most),
                     4);
    return s;
}
