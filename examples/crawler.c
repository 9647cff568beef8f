/* A crawler of one web site: a few tasks take addresses from a queue, fetch the pages (web.h), and
 * put the links that they find into the queue.
 *
 *   crawler [-c AT_ONCE] [-d DEPTH] [-t MS] URL */
#include <curl/curl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <yoke/yoke.h>

#include "web.h"

/* ---- The crawl ------------------------------------------------------------------------------- */

struct place {
    const char *url; /* belongs to `seen` */
    int depth;
};

static struct {
    int at_once, depth;
    uint64_t timeout_ms;
    char *site; /* what the addresses of all its pages begin with */
    void *seen; /* a tree of addresses */
    yk_queue *places;
    size_t pages, bytes, errors;
} crawl = { .at_once = 8, .depth = 3, .timeout_ms = 5000 };

/* The address that a link stands for, without the part behind '#'; NULL if it is none. */
static char *resolve(const char *base, const char *link)
{
    char *url = NULL;
    CURLU *u = curl_url();
    if (u && !curl_url_set(u, CURLUPART_URL, base, 0) && !curl_url_set(u, CURLUPART_URL, link, 0) &&
        !curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0))
        curl_url_get(u, CURLUPART_URL, &url, 0);
    curl_url_cleanup(u);
    return url;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Puts a link into the queue if it leads to a page of the site that nobody has seen. */
static int follow(const char *base, const char *link, int depth)
{
    char *url = resolve(base, link);
    bool leaves = !url || strncmp(url, crawl.site, strlen(crawl.site)) != 0;
    char **known = leaves || depth > crawl.depth ? NULL : tsearch(url, &crawl.seen, compare);
    if (known && *known == url)
        return yk_queue_put(crawl.places, &(struct place){ url, depth }, YK_FOREVER);
    curl_free(url);
    return 0;
}

static void unescape(char *link)
{
    while ((link = strstr(link, "&amp;"))) {
        link++;
        memmove(link, link + 4, strlen(link + 4) + 1);
    }
}

static int follow_all(const struct place *from, char *text)
{
    int err = 0;
    for (char *at = text; at && !err && (at = strcasestr(at, "href="));) {
        char *link = at + 6, quote = at[5];
        char *end = quote == '"' || quote == '\'' ? strchr(link, quote) : NULL;
        at = end ? end + 1 : at + 5;
        if (!end)
            continue;
        *end = '\0';
        unescape(link);
        err = follow(from->url, link, from->depth + 1);
    }
    return err;
}

static void report(const struct place *at, const struct page *p)
{
    crawl.pages += !p->why && p->status == 200;
    crawl.errors += p->why || p->status >= 400;
    crawl.bytes += p->len;
    printf("%d  %3ld %8zu  %s", at->depth, p->status, p->len, at->url + strlen(crawl.site) - 1);
    if (p->why || p->moved_to)
        printf("%s%s", p->why ? ": " : " -> ", p->why ? p->why : p->moved_to);
    putchar('\n');
    fflush(stdout);
}

static int visit(const struct place *at)
{
    struct page p;
    int err = web_get(at->url, &p, yk_after_ms(crawl.timeout_ms));
    if (err == UV_ETIMEDOUT || err == UV_EIO)
        err = 0; /* the page's misfortune */
    if (!err)
        report(at, &p);
    if (!err && p.moved_to)
        err = follow(at->url, p.moved_to, at->depth + 1);
    else if (!err && !p.why && p.status == 200)
        err = follow_all(at, p.text);
    page_free(&p);
    return err;
}

/* One of those that visit pages at one time. */
static int visitor(void *unused)
{
    struct place at;
    int err;
    (void)unused;
    while (!(err = yk_queue_get(crawl.places, &at, YK_FOREVER)) && !(err = visit(&at)))
        yk_queue_task_done(crawl.places);
    return err == YK_ECLOSED ? 0 : err;
}

/* Until every page that was found has been visited; an error, or Ctrl-C, ends all visitors. */
static int crawl_from(const char *start)
{
    yk_scope *visitors = yk_scope_begin();
    if (!visitors)
        return UV_ENOMEM;
    for (int i = 0; i < crawl.at_once; i++)
        yk_scope_start(visitors, visitor, NULL);
    int err = follow(start, start, 0);
    if (!err)
        err = yk_queue_join(crawl.places, YK_FOREVER);
    yk_queue_shutdown(crawl.places, true);
    return yk_scope_end(visitors, err);
}

/* ---- The program ----------------------------------------------------------------------------- */

static int take_options(int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "c:d:t:")) >= 0;) {
        switch (c) {
        case 'c':
            crawl.at_once = atoi(optarg);
            break;
        case 'd':
            crawl.depth = atoi(optarg);
            break;
        case 't':
            crawl.timeout_ms = strtoul(optarg, NULL, 10);
            break;
        default:
            return UV_EINVAL;
        }
    }
    return optind == argc - 1 && crawl.at_once > 0 ? 0 : UV_EINVAL;
}

static int app(void *unused)
{
    char **argv;
    int argc = yk_args(&argv), err = take_options(argc, argv);
    uint64_t begin = yk_now();
    (void)unused;
    crawl.site = err ? NULL : resolve(argv[optind], "/");
    if (!crawl.site) {
        fprintf(stderr, "usage: crawler [-c AT_ONCE] [-d DEPTH] [-t MS] URL\n");
        return 2;
    }
    crawl.places = yk_queue_new(.item_size = sizeof(struct place));
    err = crawl.places ? web_open() : UV_ENOMEM;
    if (!err)
        err = crawl_from(argv[optind]);
    web_close();
    printf("%zu pages, %zu bytes, %zu errors in %.2f s\n", crawl.pages, crawl.bytes, crawl.errors,
           (double)(yk_now() - begin) / 1e9);
    yk_queue_free(crawl.places);
    tdestroy(crawl.seen, curl_free);
    curl_free(crawl.site);
    return err;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
