#include "json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Each returns what follows it, NULL if it is not there. */
static const char *value_at(const char *at, int depth);

static const char *space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

static const char *escape(const char *at)
{
    if (*at != 'u')
        return *at && strchr("\"\\/bfnrt", *at) ? at + 1 : NULL;
    for (int i = 1; i <= 4; i++)
        if (!isxdigit((unsigned char)at[i]))
            return NULL;
    return at + 5;
}

static const char *utf8(const char *at)
{
    unsigned char first = (unsigned char)*at;
    int more = first < 0x80 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : -1;
    for (int i = 1; i <= more; i++)
        if (((unsigned char)at[i] & 0xc0) != 0x80)
            return NULL;
    return more < 0 ? NULL : at + 1 + more;
}

static const char *string_at(const char *at)
{
    if (*at++ != '"')
        return NULL;
    while (at && *at != '"') {
        if ((unsigned char)*at < 0x20)
            return NULL;
        at = *at == '\\' ? escape(at + 1) : utf8(at);
    }
    return at ? at + 1 : NULL;
}

static const char *digits(const char *at)
{
    size_t n = strspn(at, "0123456789");
    return n ? at + n : NULL;
}

static const char *number_at(const char *at)
{
    at += *at == '-';
    at = *at == '0' ? at + 1 : digits(at);
    if (at && *at == '.')
        at = digits(at + 1);
    if (at && (*at == 'e' || *at == 'E')) {
        at++;
        at = digits(at + (*at == '+' || *at == '-'));
    }
    return at;
}

static const char *list_at(const char *at, char end, int depth)
{
    at = space(at + 1);
    if (*at == end)
        return at + 1;
    for (;;) {
        if (end == '}') {
            at = string_at(space(at));
            at = at ? space(at) : NULL;
            at = at && *at == ':' ? at + 1 : NULL;
        }
        at = at ? value_at(space(at), depth + 1) : NULL;
        at = at ? space(at) : NULL;
        if (!at || (*at != ',' && *at != end))
            return NULL;
        if (*at++ == end)
            return at;
    }
}

static const char *value_at(const char *at, int depth)
{
    static const char *const words[] = { "true", "false", "null" };
    if (depth > 32)
        return NULL;
    if (*at == '{' || *at == '[')
        return list_at(at, *at == '{' ? '}' : ']', depth);
    if (*at == '"')
        return string_at(at);
    for (int i = 0; i < 3; i++)
        if (strncmp(at, words[i], strlen(words[i])) == 0)
            return at + strlen(words[i]);
    return number_at(at);
}

bool json_valid(const char *text)
{
    const char *end = value_at(space(text), 0);
    return end && *space(end) == '\0';
}

bool json_member(const char *object, const char *name, char *value, size_t size)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(object, key);
    if (!at)
        return false;
    at += strlen(key);
    const char *end = value_at(at, 0);
    bool text = *at == '"';
    snprintf(value, size, "%.*s", (int)(end - at) - 2 * text, at + text);
    return true;
}
