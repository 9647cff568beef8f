/* mapreduce/ngram/http.c - what all requests have in common, and a page of text. */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../loop/task.h"

enum { CONNECT_S = 30, LONGEST_PAUSE_MS = 30000, PAGE_MAX = 32 << 20, LARGEST_BUFFER = 256 << 10 };

/* libcurl looks at the rate after 100 reads into its buffer at the latest. */
static uint64_t buffer_size(uint64_t rate)
{
    uint64_t size = rate ? rate / 200 : LARGEST_BUFFER;
    return size < 1024 ? 1024 : size < LARGEST_BUFFER ? size : LARGEST_BUFFER;
}

void ngram_http_set_up(CURL *easy, const char *url, const ngram_download_options *o)
{
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)o->stall_s);
    curl_easy_setopt(easy, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)o->rate);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)buffer_size(o->rate));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "yoke-ngram");
}

bool ngram_http_may_pass(long status)
{
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

/* The server may ask for a longer one than the usual. */
uint64_t ngram_http_pause(const ngram_download_options *o, CURL *easy, int failures)
{
    uint64_t ms = o->pause_ms << (failures < 16 ? failures - 1 : 15);
    curl_off_t asked = 0;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &asked);
    if (asked > 0 && (uint64_t)asked * 1000 > ms)
        ms = (uint64_t)asked * 1000;
    return ms < LONGEST_PAUSE_MS ? ms : LONGEST_PAUSE_MS;
}

typedef struct page {
    char *text;
    size_t len;
} page;

static size_t take_page(char *bytes, size_t one, size_t n, void *arg)
{
    page *p = arg;
    (void)one;
    char *text = p->len + n > PAGE_MAX ? NULL : realloc(p->text, p->len + n + 1);
    if (!text)
        return 0;
    memcpy(text + p->len, bytes, n);
    p->text = text;
    p->len += n;
    p->text[p->len] = '\0';
    return n;
}

static int try_page(CURL *easy, const char *url, const ngram_download_options *o, page *p,
                    bool *passes, char *message)
{
    CURLcode code = CURLE_OK;
    long status = 0;
    ngram_http_set_up(easy, url, o);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_page);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, p);
    p->len = 0;
    int err = yk_curl_perform(o->curl, easy, &code, YK_FOREVER);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    *passes = !err && (status == 0 || ngram_http_may_pass(status) || (code && status == 200));
    if (err)
        return err;
    if (code)
        snprintf(message, NGRAM_DOWNLOAD_MESSAGE, "%.300s: %s", url, curl_easy_strerror(code));
    else if (status != 200)
        snprintf(message, NGRAM_DOWNLOAD_MESSAGE,
                 "%.300s: HTTP %ld (are release and language right?)", url, status);
    return code || status != 200 ? UV_EIO : 0;
}

int ngram_http_page(const char *url, const ngram_download_options *o, char **text,
                    char message[NGRAM_DOWNLOAD_MESSAGE])
{
    page p = { 0 };
    CURL *easy = curl_easy_init();
    int err = easy ? 0 : UV_ENOMEM;
    snprintf(message, NGRAM_DOWNLOAD_MESSAGE, "out of memory");
    bool passes = true;
    for (int failures = 0; easy && passes && failures <= o->retries; failures++) {
        if (failures && (err = yk_sleep_ms(ngram_http_pause(o, easy, failures))))
            break;
        err = try_page(easy, url, o, &p, &passes, message);
        passes &= err != 0;
    }
    curl_easy_cleanup(easy);
    if (err || !p.text)
        free(p.text);
    else
        *text = p.text;
    return err ? err : p.text ? 0 : UV_EIO;
}
