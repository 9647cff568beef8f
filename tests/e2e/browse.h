/* tests/e2e/browse.h - asks a server over HTTP, as a simple client does: a connection for each
 * request. */
#ifndef TEST_E2E_BROWSE_H
#define TEST_E2E_BROWSE_H

#include <stddef.h>

typedef struct page {
    int status;
    char *text; /* all that came; to be freed with page_free() */
    size_t len;
    const char *body; /* in it, with a NUL behind it */
} page;

/* Asks and reads the answer. `fields`: more lines for the head, each with its CRLF. */
page browse(unsigned port, const char *method, const char *target, const char *fields);
#define get_page(port, target) browse((port), "GET", (target), "")
void page_free(page *p);

/* Sends a request and leaves the answer to be read from the descriptor. */
int begin_browsing(unsigned port, const char *target, const char *fields);
/* Reads until the text has been seen; fails the test at the end of the stream. */
void read_until(int fd, const char *text);

/* Fails the test unless the answer has the status, and the text in head or body. */
void assert_page(unsigned port, const char *target, int status, const char *text);

#endif
