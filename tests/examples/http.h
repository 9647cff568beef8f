/* tests/examples/http.h - starts the site and asks it, one request a connection. */
#ifndef TESTS_EXAMPLES_HTTP_H
#define TESTS_EXAMPLES_HTTP_H

#include "program.h"

/* Starts the site (site.c); its port is in *port. */
program *site_start(int *port);

/* A connection, and a request on it; `header` is lines that end in "\r\n", or "". */
int http_connect(int port);
void http_ask(int fd, const char *path, const char *header);

/* The whole answer, head and body; good until the next call. */
const char *http_get(int port, const char *path);

/* What /stats says of the site. */
struct site_stats {
    unsigned connections, requests, now, most;
};
struct site_stats site_stats(int port);

#endif
