/* HTTP requests that a task awaits, by libcurl on the loop (loop/curl.h). */
#include "web.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <yoke/loop/curl.h>
#include <yoke/yoke.h>

enum { MOST_BYTES = 4 << 20 }; /* of one page */

static yk_curl *web;

int web_open(void)
{
    return yk_curl_open(&web);
}

void web_close(void)
{
    yk_curl_close(web);
    web = NULL;
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

static int transfer(CURL *curl, struct page *p, uint64_t deadline)
{
    CURLcode code = CURLE_OK;
    int err = yk_curl_perform(web, curl, &code, deadline);
    if (err)
        p->why = yk_strerror(err);
    else if (code)
        p->why = curl_easy_strerror(code);
    return !code ? err : code == CURLE_OUT_OF_MEMORY ? UV_ENOMEM : UV_EIO;
}

int web_get(const char *url, struct page *p, uint64_t deadline)
{
    CURL *curl = curl_easy_init();
    char *moved_to = NULL;
    int err = UV_ENOMEM;
    *p = (struct page){ 0 };
    if (curl) {
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, p);
        err = transfer(curl, p, deadline);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &p->status);
        curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &moved_to);
        p->moved_to = moved_to ? strdup(moved_to) : NULL;
    }
    curl_easy_cleanup(curl);
    return err;
}

void page_free(struct page *p)
{
    free(p->moved_to);
    free(p->text);
}
