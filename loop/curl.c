/* loop/curl.c - libcurl's multi interface on the loop; a transfer that has ended fulfils a promise.
 */
#include "curl.h"

#include <stdlib.h>
#include <uv.h>

#include "../executor/future.h"
#include "../executor/wait.h"
#include "loop.h"

struct yk_curl {
    CURLM *multi;
    uv_loop_t *uv;
    uv_timer_t timer;
};

/* One socket that libcurl waits for. */
typedef struct waiting {
    uv_poll_t poll;
    yk_curl *curl;
    curl_socket_t fd;
} waiting;

/* Tells those who wait for transfers that have ended. */
static void act(yk_curl *c, curl_socket_t fd, int events)
{
    int left;
    curl_multi_socket_action(c->multi, fd, events, &left);
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        yk_future *ended;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &ended);
        yk_future_set_result(ended, &m->data.result, sizeof m->data.result);
    }
}

static void on_time(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket(uv_poll_t *poll, int err, int events)
{
    waiting *w = poll->data;
    act(w->curl, w->fd,
        err ? CURL_CSELECT_ERR
            : (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                  (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static int want_time(CURLM *multi, long ms, void *arg)
{
    yk_curl *c = arg;
    (void)multi;
    return ms < 0 ? uv_timer_stop(&c->timer) : uv_timer_start(&c->timer, on_time, (uint64_t)ms, 0);
}

static void free_waiting(uv_handle_t *poll)
{
    free(poll->data);
}

static waiting *new_waiting(yk_curl *c, curl_socket_t fd)
{
    waiting *w = calloc(1, sizeof *w);
    if (!w || uv_poll_init_socket(c->uv, &w->poll, fd) != 0) {
        free(w);
        return NULL;
    }
    w->poll.data = w;
    w->curl = c;
    w->fd = fd;
    curl_multi_assign(c->multi, fd, w);
    return w;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    waiting *w = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            uv_close((uv_handle_t *)&w->poll, free_waiting);
        return 0;
    }
    if (!w && !(w = new_waiting(arg, fd)))
        return -1;
    return uv_poll_start(&w->poll,
                         (what & CURL_POLL_IN ? UV_READABLE : 0) |
                             (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
                         on_socket);
}

int yk_curl_open(yk_curl **curl)
{
    yk_loop *loop = yk_loop_current();
    if (!loop)
        return UV_EINVAL;
    yk_curl *c = calloc(1, sizeof *c);
    CURLM *multi = c ? curl_multi_init() : NULL;
    if (!multi) {
        free(c);
        return UV_ENOMEM;
    }
    c->multi = multi;
    c->uv = yk_loop_uv(loop);
    uv_timer_init(c->uv, &c->timer);
    c->timer.data = c;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_time);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, c);
    *curl = c;
    return 0;
}

/* Whatever ends the wait, also a cancellation of the task, takes the handle from libcurl. */
int yk_curl_perform(yk_curl *c, CURL *transfer, CURLcode *code, uint64_t deadline)
{
    yk_future *ended = yk_future_new();
    int err = UV_ENOMEM;
    if (!ended)
        return err;
    curl_easy_setopt(transfer, CURLOPT_PRIVATE, ended);
    if (curl_multi_add_handle(c->multi, transfer) == CURLM_OK) {
        err = yk_await_into_until(ended, code, sizeof *code, deadline);
        curl_multi_remove_handle(c->multi, transfer);
    }
    yk_future_unref(ended);
    return err;
}

static void free_curl(uv_handle_t *timer)
{
    free(timer->data);
}

void yk_curl_close(yk_curl *c)
{
    if (!c)
        return;
    curl_multi_cleanup(c->multi);
    uv_close((uv_handle_t *)&c->timer, free_curl);
}
