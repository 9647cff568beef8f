/* HTTP requests that a task awaits. libcurl says which sockets and what time it waits for; handles
 * of libuv on yoke's loop wait for them; a transfer that has ended fulfils a promise. */
#include "web.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <yoke/yoke.h>

enum { MOST_BYTES = 4 << 20 }; /* of one page */

/* ---- libcurl on the loop --------------------------------------------------------------------- */

static struct {
    CURLM *multi;
    uv_loop_t *uv;
    uv_timer_t timer;
} web;

/* Tells those who wait for transfers that have ended. */
static void act(curl_socket_t fd, int events)
{
    int left;
    curl_multi_socket_action(web.multi, fd, events, &left);
    for (CURLMsg *m; (m = curl_multi_info_read(web.multi, &left));) {
        yk_future *ended;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &ended);
        yk_future_set_result(ended, &m->data.result, sizeof m->data.result);
    }
}

static void on_time(uv_timer_t *timer)
{
    (void)timer;
    act(CURL_SOCKET_TIMEOUT, 0);
}

static void on_socket(uv_poll_t *poll, int err, int events)
{
    act((curl_socket_t)(intptr_t)poll->data,
        err ? CURL_CSELECT_ERR
            : (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                  (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static int want_time(CURLM *multi, long ms, void *unused)
{
    (void)multi, (void)unused;
    return ms < 0 ? uv_timer_stop(&web.timer)
                  : uv_timer_start(&web.timer, on_time, (uint64_t)ms, 0);
}

static void free_poll(uv_handle_t *poll)
{
    free(poll);
}

static uv_poll_t *new_poll(curl_socket_t fd)
{
    uv_poll_t *poll = malloc(sizeof *poll);
    if (!poll || uv_poll_init_socket(web.uv, poll, fd) != 0) {
        free(poll);
        return NULL;
    }
    poll->data = (void *)(intptr_t)fd;
    curl_multi_assign(web.multi, fd, poll);
    return poll;
}

static int want_socket(CURL *curl, curl_socket_t fd, int what, void *unused, void *poll)
{
    (void)curl, (void)unused;
    if (what == CURL_POLL_REMOVE) {
        if (poll)
            uv_close(poll, free_poll);
        return 0;
    }
    if (!poll && !(poll = new_poll(fd)))
        return -1;
    return uv_poll_start(
        poll, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
        on_socket);
}

int web_open(void)
{
    web.uv = yk_loop_uv(yk_loop_current());
    uv_timer_init(web.uv, &web.timer);
    web.multi = curl_multi_init();
    curl_multi_setopt(web.multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(web.multi, CURLMOPT_TIMERFUNCTION, want_time);
    return web.multi ? 0 : UV_ENOMEM;
}

void web_close(void)
{
    curl_multi_cleanup(web.multi);
    uv_close((uv_handle_t *)&web.timer, NULL);
}

/* ---- One request ----------------------------------------------------------------------------- */

static size_t keep(char *bytes, size_t one, size_t n, void *arg)
{
    struct page *p = arg;
    (void)one;
    char *text = p->len + n > MOST_BYTES ? NULL : realloc(p->text, p->len + n + 1);
    if (!text)
        return 0; /* which fails the transfer */
    memcpy(text + p->len, bytes, n);
    p->text = text;
    p->len += n;
    p->text[p->len] = '\0';
    return n;
}

/* Whatever ends the wait, also a cancellation of the task, takes the handle from libcurl, which
 * hangs up where a transfer was under way. */
static int transfer(CURL *curl, yk_future *ended, struct page *p, uint64_t deadline)
{
    CURLcode code = CURLE_OK;
    if (curl_multi_add_handle(web.multi, curl) != CURLM_OK)
        return UV_ENOMEM;
    int err = yk_await_into_until(ended, &code, sizeof code, deadline);
    curl_multi_remove_handle(web.multi, curl);
    if (err)
        p->why = yk_strerror(err);
    else if (code)
        p->why = curl_easy_strerror(code);
    return !code ? err : code == CURLE_OUT_OF_MEMORY ? UV_ENOMEM : UV_EIO;
}

int web_get(const char *url, struct page *p, uint64_t deadline)
{
    CURL *curl = curl_easy_init();
    yk_future *ended = yk_future_new();
    char *moved_to = NULL;
    int err = UV_ENOMEM;
    *p = (struct page){ 0 };
    if (curl && ended) {
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, p);
        curl_easy_setopt(curl, CURLOPT_PRIVATE, ended);
        err = transfer(curl, ended, p, deadline);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &p->status);
        curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &moved_to);
        p->moved_to = moved_to ? strdup(moved_to) : NULL;
    }
    curl_easy_cleanup(curl);
    yk_future_unref(ended);
    return err;
}

void page_free(struct page *p)
{
    free(p->moved_to);
    free(p->text);
}
