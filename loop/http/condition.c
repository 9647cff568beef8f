/* If-Match and its relatives. */
#include "condition.h"

#include <string.h>

#include "date.h"
#include "list.h"

static bool is_weak(const char *tag)
{
    return tag[0] == 'W' && tag[1] == '/';
}

static bool same_tag(const char *at, size_t len, const char *tag, bool weakly)
{
    if (!weakly && (is_weak(tag) || (len >= 2 && is_weak(at))))
        return false;
    if (len >= 2 && is_weak(at)) {
        at += 2;
        len -= 2;
    }
    tag += is_weak(tag) ? 2 : 0;
    return len >= 2 && strlen(tag) == len && memcmp(at, tag, len) == 0;
}

bool yk__etag_in_list(const char *list, const char *tag, bool weakly)
{
    const char *at, *end;
    while (yk__list_next(&list, &at, &end)) {
        if (end - at == 1 && *at == '*')
            return true;
        if (same_tag(at, (size_t)(end - at), tag, weakly))
            return true;
    }
    return false;
}

/* Whether it was changed after the date; a date that is none says nothing. */
static bool changed_since(const char *date, time_t modified, time_t now, bool unless_known)
{
    time_t t;
    return yk__http_date_parse(date, now, &t) ? modified > t : unless_known;
}

int yk__conditions_check(const yk__conditions *c, const char *etag, time_t modified, time_t now)
{
    if (c->if_match) {
        if (!yk__etag_in_list(c->if_match, etag, false))
            return 412;
    } else if (c->if_unmodified_since) {
        if (changed_since(c->if_unmodified_since, modified, now, false))
            return 412;
    }
    if (c->if_none_match) {
        if (yk__etag_in_list(c->if_none_match, etag, true))
            return c->reads ? 304 : 412;
    } else if (c->if_modified_since && c->reads) {
        if (!changed_since(c->if_modified_since, modified, now, true))
            return 304;
    }
    return 0;
}

bool yk__conditions_allow_range(const yk__conditions *c, const char *etag, time_t modified,
                                time_t now)
{
    time_t t;
    if (!c->if_range)
        return true;
    if (c->if_range[0] == '"' || is_weak(c->if_range))
        return same_tag(c->if_range, strlen(c->if_range), etag, false);
    return yk__http_date_parse(c->if_range, now, &t) && t == modified;
}
