/* data/quote.c - shows the beginning of a row in a message, whatever bytes it has. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "data/rows.h"

/* Bytes of the valid UTF-8 character at p that is no control character, or 0. */
static size_t printable(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f;
    size_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool beyond = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
    bool control = p[0] == 0xc2 && p[1] < 0xa0;
    return overlong || beyond || control ? 0 : size;
}

/* Shows one character in `out` (at least 5 bytes); returns the bytes shown, and those taken. */
static size_t show(char *out, const unsigned char *p, size_t left, size_t *taken)
{
    *taken = 1;
    if (*p == '\t' || *p == '\r' || *p == '\n' || *p == '\\') {
        out[0] = '\\';
        out[1] = *p == '\t' ? 't' : *p == '\r' ? 'r' : *p == '\n' ? 'n' : '\\';
        return 2;
    }
    size_t size = printable(p, left);
    if (!size)
        return (size_t)snprintf(out, 5, "\\x%02x", *p);
    memcpy(out, p, size);
    *taken = size;
    return size;
}

size_t ngram_quote(char *out, size_t capacity, const char *row, size_t length)
{
    const unsigned char *p = (const unsigned char *)row;
    size_t room = capacity - 1, used = 0, whole = 0; /* whole: what fits with "..." behind it */
    for (size_t i = 0, taken; i < length; i += taken) {
        char shown[5];
        size_t size = show(shown, p + i, length - i, &taken);
        if (used + size > room) {
            memcpy(out + whole, "...", 4);
            return whole + 3;
        }
        memcpy(out + used, shown, size);
        used += size;
        if (used + 3 <= room)
            whole = used;
    }
    out[used] = '\0';
    return used;
}
