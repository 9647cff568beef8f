/* A page that shows how many people look at it, as they come and go. Each browser holds a
 * WebSocket at one of several worker processes; the count is in memory that these share. Who
 * changes it notifies all workers, and each tells its own clients.
 *
 *   live [ADDRESS [WORKERS]]                 127.0.0.1:8080 and 2 unless given
 *
 * A worker counts its own clients, beside its process number. What a worker that was killed has
 * left there is no client's any more: its successor clears it, first thing.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <yoke/yoke.h>

static const char page[] =
    "<!doctype html><html lang=en><meta charset=utf-8><title>Live</title>\n"
    "<meta name=viewport content='width=device-width'><link rel=icon href='data:,'>\n"
    "<style>:root { color-scheme: light dark; font: 1.2rem/1.5 system-ui, sans-serif }\n"
    "main { display: grid; place-content: center; min-height: 90vh; text-align: center }\n"
    "h1 { font-size: 1.2rem; font-weight: 400 } output { display: block; font-size: 6rem }\n"
    "</style>\n"
    "<main><h1><output aria-live=polite>…</output> <span id=what>people are here</span></h1>\n"
    "<p id=worker>connecting</p></main>\n"
    "<script>\n"
    "const count = document.querySelector('output'), worker = document.querySelector('#worker');\n"
    "let pause = 100;\n"
    "function connect() {\n"
    "  const socket = new WebSocket(location.href.replace(/^http/, 'ws') + 'live');\n"
    "  socket.onmessage = ({ data }) => {\n"
    "    const news = JSON.parse(data);\n"
    "    count.textContent = news.users;\n"
    "    what.textContent = news.users === 1 ? 'person is here' : 'people are here';\n"
    "    worker.textContent = `served by process ${news.worker}`;\n"
    "    pause = 100;\n"
    "  };\n"
    "  socket.onclose = () => {\n"
    "    worker.textContent = 'connecting';\n"
    "    setTimeout(connect, pause * (1 + Math.random()));\n"
    "    pause = Math.min(2 * pause, 5000);\n"
    "  };\n"
    "}\n"
    "connect();\n"
    "</script>\n";

/* ---- The count, of all workers --------------------------------------------------------------- */

enum { SEATS = 1024 }; /* more than there are ever workers, with those that drain */

typedef struct seat {
    _Atomic int process; /* 0: nobody sits here */
    _Atomic int users;
} seat;

static seat *mine;

static seat *seats(void)
{
    return yk_serve_shared();
}

/* Of the dead. Several workers may do so at the same time. */
static void clear_seats(void)
{
    for (seat *s = seats(); s < seats() + SEATS; s++) {
        int process = atomic_load(&s->process);
        if (process != 0 && kill(process, 0) != 0 && errno == ESRCH) {
            atomic_store(&s->users, 0);
            atomic_compare_exchange_strong(&s->process, &process, 0);
        }
    }
}

static int take_seat(void)
{
    for (seat *s = seats(); s < seats() + SEATS; s++) {
        int nobody = 0;
        if (atomic_compare_exchange_strong(&s->process, &nobody, (int)getpid())) {
            atomic_store(&s->users, 0);
            mine = s;
            return 0;
        }
    }
    return UV_EAGAIN;
}

static int count_users(void)
{
    int n = 0;
    for (seat *s = seats(); s < seats() + SEATS; s++)
        n += atomic_load(&s->users);
    return n;
}

/* ---- Clients of this worker ------------------------------------------------------------------ */

typedef struct client {
    yk_ws *ws;
    int told; /* the count that it knows */
    struct client *next;
} client;

static client *clients;

/* Does not wait: a client that takes nothing must not hold up the others. */
static void tell(client *c, int users)
{
    char text[80];
    if (c->told == users)
        return;
    int n = snprintf(text, sizeof text, "{\"users\":%d,\"worker\":%d}", users, (int)getpid());
    if (yk_ws_send(c->ws, YK_WS_TEXT, text, (size_t)n, 0) == UV_ETIMEDOUT)
        yk_ws_drop(c->ws);
    c->told = users;
}

static yk_event news; /* the count has changed */

static void hear(void *unused)
{
    (void)unused;
    yk_event_set(&news);
}

/* A task, since only tasks send. */
static int tell_all(void *unused)
{
    (void)unused;
    int err;
    while ((err = yk_event_wait(&news, YK_FOREVER)) == 0) {
        yk_event_clear(&news);
        int users = count_users();
        for (client *c = clients; c; c = c->next)
            tell(c, users);
    }
    return err;
}

static void come(client *c)
{
    c->next = clients;
    clients = c;
    atomic_fetch_add(&mine->users, 1);
    yk_serve_notify();
}

static void go(client *c)
{
    client **at = &clients;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    atomic_fetch_sub(&mine->users, 1);
    yk_serve_notify();
}

/* What clients say is of no interest, but for their goodbye. */
static int visit(yk_ws *ws, void *unused)
{
    client c = { .ws = ws, .told = -1 };
    yk_ws_message message;
    (void)unused;
    come(&c);
    int err;
    while ((err = yk_ws_receive(ws, &message, YK_FOREVER)) == 0)
        ;
    go(&c);
    return err == YK_END ? 0 : err;
}

/* ---- The server ------------------------------------------------------------------------------ */

static int show_page(yk_http *h, void *unused)
{
    (void)unused;
    return yk_http_send(h, 200, "text/html; charset=utf-8", page, sizeof page - 1);
}

static int start_visit(yk_http *h, void *unused)
{
    return yk_websocket_with(h, visit, unused, .most_message = 1000);
}

static const yk_http_route routes[] = {
    { "GET", "/", show_page, NULL },
    { "GET", "/live", start_visit, NULL },
    { 0 },
};

static yk_future *teller;

static int start(void *unused)
{
    (void)unused;
    clear_seats();
    yk_serve_notify(); /* the others' clients need not wait for the next who comes */
    teller = yk_task_start(tell_all, NULL);
    return take_seat();
}

static void stop(void *unused)
{
    (void)unused;
    yk_future_cancel(teller);
    yk_await(teller);
    yk_future_unref(teller);
    atomic_store(&mine->process, 0);
}

static void say_where(const char *const *addresses, void *unused)
{
    (void)unused;
    printf("listening on %s\n", *addresses);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const yk_http_service service = { .routes = routes };
    return yk_serve(argc, argv, .listen = YK_ADDRESSES(argc > 1 ? argv[1] : "127.0.0.1:8080"),
                    .workers = argc > 2 ? atoi(argv[2]) : 2, .name = "live", .http = &service,
                    .start = start, .stop = stop, .notified = hear, .ready = say_where,
                    .shared_size = SEATS * sizeof(seat));
}
