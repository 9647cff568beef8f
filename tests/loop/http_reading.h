/* tests/loop/http_reading.h - what a program reads from the bytes of a connection, as text that can
 * be compared. */
#ifndef TESTS_LOOP_HTTP_READING_H
#define TESTS_LOOP_HTTP_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* One message:
 *     METHOD
 *     TARGET
 *     VERSION keep-alive|close upgrade|- BODY        (BODY: chunked, or its length)
 *     name: value                                    (each field)
 *
 *     the body, as far as it has come
 */
typedef struct reading {
    char *text; /* "" until there is a whole head */
    size_t len;
    char *method;
    long end;  /* where the message ends; 0: not here; negative: it is refused */
    bool last; /* nothing follows it that is HTTP */
} reading;

/* The first message of these bytes, which come `step` at a time. */
reading read_as_yoke(const char *bytes, size_t len, size_t step);

/* libhttp-parser. It knows few methods: one that it does not know is read as if it were POST, which
 * makes no difference to how a message is framed. */
reading read_as_peer(const char *bytes, size_t len, const char *method);

void free_reading(reading *r);

/* Compares the messages of a connection one by one. NULL: of each that yoke takes the peer reads
 * the same, and where it ends, too; else what differs, to be freed. *taken: how many yoke took. */
char *difference_to_peer(const char *bytes, size_t len, unsigned *taken);

#endif
