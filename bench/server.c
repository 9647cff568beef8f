/* The server of bench/server.sh: processes with a loop each, on one port.
 *
 *   bench_server PORT PROCESSES
 *
 * GET /       13 bytes
 * GET /cpu    the same after a job that computes for 1 ms on the worker's threads */
#include <stdio.h>
#include <stdlib.h>

#include "yoke.h"

static const char text[] = "Hello, world\n";

static int hello(yk_http *h, void *unused)
{
    (void)unused;
    return yk_http_send(h, 200, "text/plain", text, sizeof text - 1);
}

static int compute(yk_job *job)
{
    (void)job;
    uint64_t until = yk_now() + 1000000;
    while (yk_now() < until)
        ;
    return 0;
}

static int heavy(yk_http *h, void *unused)
{
    (void)unused;
    int err = yk_to_thread(compute, NULL, 0);
    return err ? err : hello(h, NULL);
}

static const yk_http_route routes[] = {
    { "GET", "/", hello, NULL },
    { "GET", "/cpu", heavy, NULL },
    { 0 },
};

static const yk_http_service web = { .routes = routes };

int main(int argc, char **argv)
{
    char address[40];
    int workers = argc >= 3 ? atoi(argv[2]) : 0;
    if (workers < 1) {
        fprintf(stderr, "usage: bench_server PORT PROCESSES [punctual]\n");
        return 2;
    }
    snprintf(address, sizeof address, "127.0.0.1:%d", atoi(argv[1]));
    return yk_serve(argc, argv, .listen = YK_ADDRESSES(address), .workers = workers, .http = &web,
                    .punctual = argc > 3, .log_fd = -1);
}
