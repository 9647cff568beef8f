/* yoke/loop/serve/serve.h - a server of several processes, one loop each, on one address.
 *
 *   static int hello(yk_http *h, void *arg)
 *   {
 *       return yk_http_send(h, 200, "text/plain", "Hello, world\n", 13);
 *   }
 *   static const yk_http_service web = { .handler = hello };
 *
 *   int main(int argc, char **argv)
 *   {
 *       return yk_serve(argc, argv, .listen = YK_ADDRESSES("127.0.0.1:8080"), .http = &web);
 *   }
 *
 * or, for any other protocol, .connection = a function that serves one connection (net.h).
 *
 * yk_serve() is a whole program, as yk_main() is: call it before the program has threads. The
 * process it is called in becomes the supervisor: it opens the sockets, forks the workers, watches
 * over them, and does nothing else. It has no loop and no threads. Each worker has a loop, threads
 * of its own, and its connections; each connection is a task. A worker that dies takes its own
 * connections with it and nothing else: the sockets are the supervisor's, and so are the
 * connections that wait in them to be accepted.
 *
 * The life of a worker:
 *   1. It is forked. What main() has set up before yk_serve() it sees as it was then.
 *   2. `start` runs, in a task. When it has returned 0 the worker accepts connections: it is ready.
 *   3. It drains, when it is told to: it accepts no more, and what runs is finished, by `drain_ms`.
 *      HTTP connections end after the answer that they are at. Then `stop` runs, and it ends.
 *   4. Its place is taken by another at once, or, where workers die soon after they were ready or
 *      cannot start, after 0.1 s, and twice as long each time, up to 5 s, give or take a quarter.
 *      A worker that cannot start while the server itself starts ends the server instead.
 *
 * Signals to the supervisor:
 *   TERM, INT   all workers drain, and it ends; a second one ends everything at once
 *   HUP         each worker is replaced, one at a time: the new one is ready before the old drains.
 *               If a new one cannot start, the old ones that are left go on
 *   TTIN, TTOU  one worker more; one less, which loses no connection
 *   USR2        the program is started anew, from the same path with the same arguments, on the
 *               same sockets. When that is ready, this one drains and ends; if it fails, this one
 *               goes on. The new supervisor is another process, at first a child of this one
 * TERM to a worker has it drain, and be replaced. When the supervisor dies, all workers die.
 *
 * Processes for YK_ISOLATED jobs. Each worker has a pool of its own, or, with shared_processes, all
 * use one, which belongs to a process that the supervisor forks: so heavy work never takes more
 * than these processes, however many workers there are. For the jobs it is all the same, but:
 *   - they see memory as it was before yk_serve(), and not what `start` has set up;
 *   - memory of the arena (arena.h) cannot be had: `uses` is refused with UV_ENOTSUP, a pointer
 * into it means nothing in a job. Arguments, results and records of up to 1 GiB are sent, and
 * copied;
 *   - queue_limit and job_timeout_ms are each worker's own: the bound is on the jobs of one worker
 *     that wait, so that one which floods the pool meets YK_EFULL, and no other;
 *   - a worker that dies has its jobs cancelled. If the pool's process dies, the jobs that it had
 *     fail with YK_ECRASHED, and the next ones wait until there is another;
 *   - yk_future_cancel() returns 1 also for most that have not begun, and progress is some 20 ms
 * old.
 *
 * Sockets that the program is given (LISTEN_FDS: systemd's socket activation) are used in place of
 * `listen`. Without SO_REUSEPORT (systemd: ReusePort=yes) one socket is shared by all workers, and
 * connections do not spread evenly. A Unix socket is always shared.
 */
#ifndef YOKE_LOOP_SERVE_SERVE_H
#define YOKE_LOOP_SERVE_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../executor/executor.h"
#include "../http/http.h"
#include "../net.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_serve_options {
    /* Ends with NULL: YK_ADDRESSES(...). "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080"
     * (all addresses of this machine), "unix:/run/thing.sock". Port 0: any that is free. */
    const char *const *listen;
    const char *name; /* in the log and of the processes, cut at 10 bytes there; NULL: "yoke" */
    int workers;      /* 0: as many as CPUs; at most YK_SERVE_MOST_WORKERS */

    /* What it serves: HTTP (each worker has a copy, whose counters are the worker's), or any
     * protocol: each connection in a task, which is cancelled when the time to drain is over. */
    const yk_http_service *http;
    yk_connection_fn connection;
    void *arg; /* of all functions here */

    int (*start)(void *arg);     /* a negative result: this worker cannot start */
    void (*stop)(void *arg);     /* in a task, too */
    void (*notified)(void *arg); /* on the loop, after yk_serve_notify(); once for many */
    /* In the supervisor, once all workers are ready: the addresses, with their true ports; ends
     * with NULL. */
    void (*ready)(const char *const *addresses, void *arg);

    /* A worker's default executor (yk_loop_default_executor) is a hybrid: threads, and processes
     * for YK_ISOLATED jobs. */
    yk_pool_options threads;
    yk_pool_options processes;
    bool shared_processes; /* of one pool for all workers: see below */

    /* A loop that computes for more than a quarter of the time runs as SCHED_BATCH until it does so
     * for less than an eighth: one that wakes does not interrupt who runs, then, and finds more to
     * do at a time, which is a tenth more requests from clients on the same machine. Where CPUs are
     * short an answer may wait for a time slice, some 3 ms. `punctual` loops never do so. Executors
     * are not concerned. */
    bool punctual;

    size_t shared_size; /* bytes of zeroed memory for all workers: yk_serve_shared() */

    /* Limits; 0 is the figure given. */
    size_t most_connections; /* of a worker at once; others wait: 10,000 */
    uint64_t ready_ms;       /* for a worker to start, or it is killed: 30 s */
    uint64_t hang_ms;        /* a loop that has not turned for so long is killed: 10 s */
    uint64_t drain_ms;       /* then connections that are left are cancelled: 30 s */
    /* A worker that has come to one of these, give or take a tenth, is replaced as by HUP: */
    uint64_t most_served; /* requests; connections, where it is not HTTP: no limit */
    uint64_t life_ms;     /* no limit */
    size_t most_memory;   /* resident bytes, without "give or take": no limit */

    /* Where the server tells how it is, over HTTP: /metrics (Prometheus), /status.json, / (text).
     * An address as those above, of this machine alone ("127.0.0.1:9090",
     * "unix:/run/thing.status"); it goes on while all drain. NULL: nowhere */
    const char *status;

    int log_fd; /* a line for each event; 0: standard error; -1: none */
} yk_serve_options;

#define YK_SERVE_MOST_WORKERS 256
#define YK_ADDRESSES(...)     ((const char *const[]){ __VA_ARGS__, NULL })

/* The exit status: 0 after a drain; 1 where the server could not start, which the log explains; 128
 * + the signal where a second one ended it. argc and argv are for yk_args(). */
int yk_serve_opts(int argc, char **argv, const yk_serve_options *options);
#define yk_serve(argc, argv, ...) yk_serve_opts((argc), (argv), &(yk_serve_options){ __VA_ARGS__ })

/* ---- In a worker ----------------------------------------------------------------------------- */

/* Its place: 0 to the number of workers - 1. While one drains it has the same as its successor.
 * Elsewhere -1. */
int yk_serve_slot(void);

/* Whether it drains: a connection that idles may as well end. */
bool yk_serve_draining(void);

/* The memory that all workers share; it lives as long as the supervisor (a new program after USR2
 * has memory of its own). NULL elsewhere, or where `shared_size` is 0. */
void *yk_serve_shared(void);

/* Has `notified` called in all workers, also in this one and in those that drain. Any thread; no
 * wait. Elsewhere it does nothing. */
void yk_serve_notify(void);

#ifdef __cplusplus
}
#endif
#endif
