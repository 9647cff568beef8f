/* mapreduce/ngram/format.c - tab-separated, JSON, and a table to look at. */
#include "format.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "units.h"

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

static void write_json_string(yk_writer *to, yk_str text)
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

static int json_begin(yk_writer *to, void *arg)
{
    (void)arg;
    return yk_write(to, "[", 1);
}

static int json_record(yk_writer *to, yk_str key, yk_str value, void *arg)
{
    const ngram_counts *counts = (const ngram_counts *)value.at;
    ngram_form *form = arg;
    yk_write_text(to, form->written++ ? ",\n {\"ngram\": " : "\n {\"ngram\": ");
    write_json_string(to, key);
    yk_write_text(to, ", \"match_count\": ");
    yk_write_u64(to, counts->matches);
    yk_write_text(to, ", \"volume_count\": ");
    yk_write_u64(to, counts->volumes);
    return yk_write(to, "}", 1);
}

static int json_end(yk_writer *to, void *arg)
{
    const ngram_form *form = arg;
    return yk_write_text(to, form->written ? "\n]\n" : "]\n");
}

/* ---- Table --------------------------------------------------------------------------------- */

static const char *const titles[] = { "ngram", "match_count", "volume_count" };

/* One character as a table shows it: itself, or \x1b for what a terminal must not get. `width` is
 * the columns it takes. Returns the bytes of the key that it stands for. */
static size_t show_character(yk_str key, size_t at, char shown[8], size_t *width)
{
    const unsigned char *p = (const unsigned char *)key.at + at;
    size_t n = utf8_length(p, key.len - at);
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

static size_t shown_width(yk_str key)
{
    char shown[8];
    size_t total = 0, width;
    for (size_t at = 0; at < key.len; total += width)
        at += show_character(key, at, shown, &width);
    return total;
}

static void write_spaces(yk_writer *to, size_t n)
{
    static const char spaces[] = "                ";
    for (; n > 0; n -= n < 16 ? n : 16)
        yk_write(to, spaces, n < 16 ? n : 16);
}

/* The key in `width` columns, padded; one that is too long ends in an ellipsis. */
static void write_name(yk_writer *to, yk_str key, size_t width)
{
    char shown[8];
    size_t total = shown_width(key), room = total > width ? width - 1 : width, used = 0, columns;
    for (size_t at = 0; at < key.len; used += columns) {
        size_t n = show_character(key, at, shown, &columns);
        if (used + columns > room)
            break;
        yk_write_text(to, shown);
        at += n;
    }
    if (total > width) {
        yk_write_text(to, "\xe2\x80\xa6");
        used++;
    }
    write_spaces(to, width > used ? width - used : 0);
}

static void write_right(yk_writer *to, const char *text, size_t width)
{
    size_t len = strlen(text);
    write_spaces(to, 2 + (width > len ? width - len : 0));
    yk_write(to, text, len);
}

static void widen(size_t *width, size_t needed)
{
    if (*width < needed)
        *width = needed;
}

static int table_measure(yk_str key, yk_str value, void *arg)
{
    const ngram_counts *counts = (const ngram_counts *)value.at;
    ngram_form *form = arg;
    char digits[27];
    widen(&form->name_width, shown_width(key));
    widen(&form->match_width, ngram_group_digits(digits, counts->matches));
    widen(&form->volume_width, ngram_group_digits(digits, counts->volumes));
    return 0;
}

/* What the numbers leave of a terminal's width is for the n-gram, but never less than its title. */
static int table_begin(yk_writer *to, void *arg)
{
    ngram_form *form = arg;
    size_t numbers = 2 + form->match_width + 2 + form->volume_width, least = strlen(titles[0]);
    if (form->most_width && form->name_width + numbers > form->most_width)
        form->name_width = form->most_width > numbers + least ? form->most_width - numbers : least;
    write_name(to, (yk_str){ titles[0], least }, form->name_width);
    write_right(to, titles[1], form->match_width);
    write_right(to, titles[2], form->volume_width);
    return yk_write(to, "\n", 1);
}

static int table_record(yk_writer *to, yk_str key, yk_str value, void *arg)
{
    const ngram_counts *counts = (const ngram_counts *)value.at;
    const ngram_form *form = arg;
    char digits[27];
    write_name(to, key, form->name_width);
    ngram_group_digits(digits, counts->matches);
    write_right(to, digits, form->match_width);
    ngram_group_digits(digits, counts->volumes);
    write_right(to, digits, form->volume_width);
    return yk_write(to, "\n", 1);
}

/* ---- Which one ----------------------------------------------------------------------------- */

static size_t terminal_width(int fd)
{
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

yk_sink ngram_sink(ngram_form *form, ngram_format format, const char *path)
{
    bool standard = !path || strcmp(path, "-") == 0, terminal = standard && isatty(STDOUT_FILENO);
    if (format == NGRAM_AUTO_FORMAT)
        format = terminal ? NGRAM_TABLE : NGRAM_TSV;
    *form = (ngram_form){ .name_width = strlen(titles[0]),
                          .match_width = strlen(titles[1]),
                          .volume_width = strlen(titles[2]),
                          .most_width = terminal ? terminal_width(STDOUT_FILENO) : 0 };
    if (format == NGRAM_TSV)
        return yk_sink_tsv(path);
    if (format == NGRAM_JSON)
        return (yk_sink){
            .path = path, .begin = json_begin, .record = json_record, .end = json_end, .arg = form
        };
    setlocale(LC_CTYPE, "C.UTF-8"); /* for wcwidth */
    return (yk_sink){ .path = path,
                      .measure = table_measure,
                      .begin = table_begin,
                      .record = table_record,
                      .arg = form };
}
