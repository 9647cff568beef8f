/* examples/web.h - HTTP requests that a task awaits: libcurl's multi interface on yoke's loop.
 *
 *   web_open();
 *   struct page p;
 *   int err = web_get("http://127.0.0.1:8080/", &p, yk_after_ms(2000));
 *   if (!err)
 *       printf("%ld: %s", p.status, p.text);
 *   page_free(&p);
 *   web_close();
 *
 * Any number of tasks of the loop may be in web_get() at one time; connections are kept and used
 * again.
 */
#ifndef EXAMPLES_WEB_H
#define EXAMPLES_WEB_H

#include <stddef.h>
#include <stdint.h>

struct page {
    long status; /* HTTP's; 0: none came */
    char *text;  /* what came of it, NUL-terminated; NULL: nothing */
    size_t len;
    char *moved_to;  /* where a redirection points; NULL: it is none */
    const char *why; /* it did not come, or not all of it; NULL: it did */
};

/* In a task. 0 or UV_ENOMEM. To be closed either way, when nobody is in web_get() any more. */
int web_open(void);
void web_close(void);

/* 0: there is an answer, whatever its status. UV_ETIMEDOUT: not by the deadline. YK_ECANCELED;
 * UV_ENOMEM; UV_EIO: `why` says it. The page is to be freed in any case. */
int web_get(const char *url, struct page *p, uint64_t deadline);
void page_free(struct page *p);

#endif
