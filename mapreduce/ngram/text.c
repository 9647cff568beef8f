/* mapreduce/ngram/text.c - text as JSON, CSV and a terminal want it. */
#include "text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* ---- UTF-8 --------------------------------------------------------------------------------- */

/* The length of the well-formed character at p (of `left` bytes), 0 if there is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n == 0 || p[0] > 0xf4 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool outside = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
    return overlong || outside ? 0 : n;
}

static wchar_t utf8_character(const unsigned char *p, size_t n)
{
    static const unsigned char first_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    wchar_t c = p[0] & first_bits[n];
    for (size_t i = 1; i < n; i++)
        c = (wchar_t)((uint32_t)c << 6 | (p[i] & 0x3fu));
    return c;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void write_json_character(yk_writer *to, unsigned char c)
{
    static const char named[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *p = c ? strchr(named, c) : NULL;
    char escape[8];
    if (p)
        snprintf(escape, sizeof escape, "\\%c", names[p - named]);
    else
        snprintf(escape, sizeof escape, "\\u%04x", c);
    yk_write_text(to, escape);
}

void ngram_write_json(yk_writer *to, yk_str text)
{
    const unsigned char *p = (const unsigned char *)text.at, *end = p + text.len;
    yk_write(to, "\"", 1);
    while (p < end) {
        size_t n = utf8_length(p, (size_t)(end - p));
        if (n == 0)
            yk_write_text(to, "\xef\xbf\xbd"); /* U+FFFD */
        else if (n == 1 && (*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f))
            write_json_character(to, *p);
        else
            yk_write(to, p, n);
        p += n ? n : 1;
    }
    yk_write(to, "\"", 1);
}

/* ---- CSV ----------------------------------------------------------------------------------- */

void ngram_write_csv(yk_writer *to, yk_str text)
{
    bool plain = true;
    for (size_t i = 0; i < text.len && plain; i++)
        plain = !memchr(",\"\r\n", text.at[i], 4);
    if (plain) {
        yk_write(to, text.at, text.len);
        return;
    }
    yk_write(to, "\"", 1);
    for (size_t i = 0; i < text.len; i++)
        yk_write(to, text.at[i] == '"' ? "\"\"" : text.at + i, text.at[i] == '"' ? 2 : 1);
    yk_write(to, "\"", 1);
}

/* ---- Table --------------------------------------------------------------------------------- */

/* One character as a table shows it: itself, or \x1b for what a terminal must not get. `width` is
 * the columns it takes. Returns the bytes of the text that it stands for. */
static size_t show_character(yk_str text, size_t at, char shown[8], size_t *width)
{
    const unsigned char *p = (const unsigned char *)text.at + at;
    size_t n = utf8_length(p, text.len - at);
    int columns = n ? wcwidth(utf8_character(p, n)) : -1;
    if (columns >= 0 && *p != 0) {
        memcpy(shown, p, n);
        shown[n] = '\0';
        *width = (size_t)columns;
        return n;
    }
    *width = (size_t)snprintf(shown, 8, "\\x%02x", *p);
    return 1;
}

size_t ngram_shown_width(yk_str text)
{
    char shown[8];
    size_t total = 0, width;
    for (size_t at = 0; at < text.len; total += width)
        at += show_character(text, at, shown, &width);
    return total;
}

void ngram_write_spaces(yk_writer *to, size_t n)
{
    static const char spaces[] = "                ";
    for (; n > 0; n -= n < 16 ? n : 16)
        yk_write(to, spaces, n < 16 ? n : 16);
}

void ngram_write_padded(yk_writer *to, yk_str text, size_t width)
{
    char shown[8];
    size_t total = ngram_shown_width(text), room = total > width ? width - 1 : width, used = 0,
           columns;
    for (size_t at = 0; at < text.len; used += columns) {
        size_t n = show_character(text, at, shown, &columns);
        if (used + columns > room)
            break;
        yk_write_text(to, shown);
        at += n;
    }
    if (total > width) {
        yk_write_text(to, "\xe2\x80\xa6");
        used++;
    }
    ngram_write_spaces(to, width > used ? width - used : 0);
}
