/* Text in a buffer that may be too small; escaping. */
#include "text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

void yk__text_start(yk__text *t, char *buffer, size_t size)
{
    *t = (yk__text){ buffer, size, 0 };
    if (size > 0)
        buffer[0] = '\0';
}

void yk__text_add(yk__text *t, const char *format, ...)
{
    bool room = t->len < t->size;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(room ? t->buffer + t->len : NULL, room ? t->size - t->len : 0, format, args);
    va_end(args);
    if (n > 0)
        t->len += (size_t)n;
}

/* The length of the UTF-8 sequence at s; 0 if there is none. (RFC 3629, table in section 4; the
 * NUL at the end of the string is no continuation byte, so nothing is read behind it.) */
static int sequence(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    unsigned low = 0x80, high = 0xbf;
    int n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : s[0] >= 0xe0 && s[0] <= 0xef ? 3 : 4;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (int i = 2; i < n; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return n;
}

static void escaped(yk__text *t, const char *s, bool json)
{
    for (const unsigned char *at = (const unsigned char *)s; *at;) {
        int n = sequence(at);
        if (*at == '\n')
            yk__text_add(t, "\\n");
        else if (*at == '"' || *at == '\\')
            yk__text_add(t, "\\%c", *at);
        else if (json && *at < 0x20)
            yk__text_add(t, "\\u%04x", *at);
        else
            yk__text_add(t, "%.*s", n ? n : 1, n ? (const char *)at : "?");
        at += n ? n : 1;
    }
}

void yk__text_json(yk__text *t, const char *s)
{
    escaped(t, s, true);
}

void yk__text_label(yk__text *t, const char *s)
{
    escaped(t, s, false);
}
