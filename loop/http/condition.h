/* loop/http/condition.h - requests that depend on what the client has already (RFC 9110, 13).
 * Not installed. */
#ifndef YOKE_LOOP_HTTP_CONDITION_H
#define YOKE_LOOP_HTTP_CONDITION_H

#include <stdbool.h>
#include <time.h>

/* The request's fields, those of one name joined with commas; NULL: it has none. */
typedef struct yk__conditions {
    const char *if_match, *if_none_match, *if_modified_since, *if_unmodified_since, *if_range;
    bool reads; /* GET or HEAD */
} yk__conditions;

/* Whether the tag, with its quotes and W/ if it is weak, is in a list of tags, or the list is "*".
 * Strongly compared, weak tags equal nothing. */
bool yk__etag_in_list(const char *list, const char *tag, bool weakly);

/* The answer that the conditions ask for: 0: the one without them; 304 or 412. In RFC 9110's order:
 * a tag's word goes before a date's. `etag`: of what would be sent; `modified`: when it was changed
 * last; `now` is for years of two digits. */
int yk__conditions_check(const yk__conditions *c, const char *etag, time_t modified, time_t now);

/* Whether a range may be sent: there is no If-Range, or it names exactly what we have. */
bool yk__conditions_allow_range(const yk__conditions *c, const char *etag, time_t modified,
                                time_t now);

#endif
