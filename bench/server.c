/* The server of bench/server.sh: processes with a loop each, on one port.
 *
 *   bench_server PORT PROCESSES
 *
 * GET /       13 bytes
 * GET /cpu    the same after a job that computes for 1 ms on the default executor's threads */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

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

static int serve(void *unused)
{
    char **argv;
    yk_listener *l;
    (void)unused;
    yk_args(&argv);
    int err = yk_listen_with(&l, "127.0.0.1", (uint16_t)atoi(argv[1]), .reuse_port = true);
    if (err) {
        fprintf(stderr, "bench_server: %s\n", yk_strerror(err));
        return err;
    }
    yk_server *server = yk_server_start(l, yk_http_connection, (void *)&web);
    yk_sleep_until(YK_FOREVER);
    yk_server_stop(server, 0);
    yk_listener_close(l);
    return 0;
}

int main(int argc, char **argv)
{
    int n = argc == 3 ? atoi(argv[2]) : 0;
    if (n < 1) {
        fprintf(stderr, "usage: bench_server PORT PROCESSES\n");
        return 2;
    }
    for (int i = 1; i < n; i++) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            break;
        }
    }
    return yk_main(argc, argv, serve, NULL);
}
