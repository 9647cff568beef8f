/* loop/http/list.h - fields whose value is a list (RFC 9110, 5.6.1). Not installed. */
#ifndef YOKE_LOOP_HTTP_LIST_H
#define YOKE_LOOP_HTTP_LIST_H

#include <stdbool.h>

static inline const char *yk__skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* The next element of a list: [*at, *end) without the blanks around it. *next: where to go on, at
 * first the field's value. Empty elements are none; a comma in a quoted string divides nothing. */
static inline bool yk__list_next(const char **next, const char **at, const char **end)
{
    const char *p = *next;
    while (*p == ',' || *p == ' ' || *p == '\t')
        p++;
    if (!*p)
        return false;
    *at = p;
    for (bool quoted = false; *p && (quoted || *p != ','); p++)
        if (*p == '"')
            quoted = !quoted;
    *next = p;
    while (p > *at && (p[-1] == ' ' || p[-1] == '\t'))
        p--;
    *end = p;
    return true;
}

#endif
