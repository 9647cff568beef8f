/* The head of a request.
 *
 * Its end is searched by lines, with the C library's fast memchr(); then one pass takes it apart. A
 * head ends in CR LF CR LF and no table of characters knows CR, so the loops over names need no
 * other end.
 */
#include "parser.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "characters.h"

#define BLANK_LINES  4
#define BAD_REQUEST  (-400)
#define TARGET_LONG  (-414)
#define EXPECTATION  (-417)
#define FIELDS_LARGE (-431)
#define NOT_KNOWN    (-501)
#define VERSION      (-505)

enum { T = YK__HTTP_TOKEN, U = YK__HTTP_TARGET, V = YK__HTTP_VALUE, H = YK__HTTP_HOST };

const uint8_t yk__http_characters[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | U | V | H,
    ['"'] = V,
    ['#'] = T | V,
    ['$'] = T | U | V | H,
    ['%'] = T | U | V,
    ['&'] = T | U | V | H,
    ['\''] = T | U | V | H,
    ['('] = U | V | H,
    [')'] = U | V | H,
    ['*'] = T | U | V | H,
    ['+'] = T | U | V | H,
    [','] = U | V,
    ['-'] = T | U | V | H,
    ['.'] = T | U | V | H,
    ['/'] = U | V,
    ['0' ... '9'] = T | U | V | H,
    [':'] = U | V,
    [';'] = U | V | H,
    ['<'] = V,
    ['='] = U | V | H,
    ['>'] = V,
    ['?'] = U | V,
    ['@'] = U | V,
    ['A' ... 'Z'] = T | U | V | H,
    ['['] = U | V,
    ['\\'] = U | V,
    [']'] = U | V,
    ['^'] = T | U | V,
    ['_'] = T | U | V | H,
    ['`'] = T | U | V,
    ['a' ... 'z'] = T | U | V | H,
    ['{'] = U | V,
    ['|'] = T | U | V,
    ['}'] = U | V,
    ['~'] = T | U | V | H,
    [0x80 ... 0xff] = V,
};

/* ---- The end of a head ----------------------------------------------------------------------- */

static size_t blank_lines(const char *bytes, size_t len)
{
    size_t i = 0;
    while (i + 1 < len && bytes[i] == '\r' && bytes[i + 1] == '\n')
        i += 2;
    return i;
}

long yk__http_find_head(const char *bytes, size_t len, size_t *seen)
{
    size_t start = blank_lines(bytes, len);
    bool blank = start + 1 == len && bytes[start] == '\r'; /* half of one more blank line */
    if (start > 2 * BLANK_LINES ||
        (start < len && !blank && !yk__http_is(bytes[start], YK__HTTP_TOKEN)))
        return BAD_REQUEST;
    const char *end = bytes + len, *p = bytes + (*seen > start ? *seen : start);
    for (; p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++) {
        if (p == bytes + start || p[-1] != '\r')
            return BAD_REQUEST;
        if (p - bytes >= (long)start + 3 && p[-2] == '\n')
            return p + 1 - bytes;
    }
    *seen = len;
    return 0;
}

int yk__http_too_long(const char *bytes, size_t len)
{
    size_t start = blank_lines(bytes, len);
    return memchr(bytes + start, '\n', len - start) ? FIELDS_LARGE : TARGET_LONG;
}

/* ---- Words ----------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static bool is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* The next of a list: *word and its length, without white space at its ends. false: no more. */
static bool next_word(const char **at, const char *end, const char **word, size_t *len)
{
    const char *p = *at;
    if (p > end)
        return false;
    const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
    *at = stop + 1;
    while (p < stop && is_blank(*p))
        p++;
    while (stop > p && is_blank(stop[-1]))
        stop--;
    *word = p;
    *len = (size_t)(stop - p);
    return true;
}

/* ---- Hosts ----------------------------------------------------------------------------------- */

static bool is_port(const char *p, const char *end)
{
    unsigned port = 0;
    for (; p < end && is_digit(*p) && port <= 65535; p++)
        port = 10 * port + (unsigned)(*p - '0');
    return p == end && port <= 65535;
}

static const char *skip_name(const char *p, const char *end)
{
    while (p < end) {
        if (yk__http_is(*p, YK__HTTP_HOST))
            p++;
        else if (end - p >= 3 && *p == '%' && is_hex(p[1]) && is_hex(p[2]))
            p += 3;
        else
            break;
    }
    return p;
}

/* An IPv6 address in brackets. */
static const char *skip_address(const char *p, const char *end)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const char *close = memchr(p, ']', (size_t)(end - p));
    size_t len = close ? (size_t)(close - p) - 1 : 0;
    if (!close || len >= sizeof text)
        return p;
    memcpy(text, p + 1, len);
    text[len] = 0;
    return inet_pton(AF_INET6, text, &address) == 1 ? close + 1 : p;
}

/* host [":" port]. */
static bool is_host(const char *p, size_t len)
{
    const char *end = p + len;
    const char *stop = len > 0 && *p == '[' ? skip_address(p, end) : skip_name(p, end);
    return stop > p && (stop == end || (*stop == ':' && is_port(stop + 1, end)));
}

/* ---- The request line ------------------------------------------------------------------------ */

/* http://host/path, as for a proxy: every server has to take it (RFC 9112, 3.2.2). */
static int parse_absolute(yk__http_head *head)
{
    char *p = head->target;
    if (strncasecmp(p, "http://", 7) == 0)
        p += 7;
    else if (strncasecmp(p, "https://", 8) == 0)
        p += 8;
    else
        return BAD_REQUEST;
    size_t len = strcspn(p, "/?");
    if (!is_host(p, len))
        return BAD_REQUEST;
    head->host = p;
    head->host_len = (uint32_t)len;
    head->path = p + len;
    return 0;
}

static int parse_target(yk__http_head *head)
{
    head->path = head->target;
    head->host = NULL;
    if (strcmp(head->method, "CONNECT") == 0)
        return NOT_KNOWN;
    if (head->target[0] == '/')
        return 0;
    if (strcmp(head->target, "*") == 0)
        return strcmp(head->method, "OPTIONS") == 0 ? 0 : BAD_REQUEST;
    return parse_absolute(head);
}

static int parse_version(const char *p, const char *end, yk__http_head *head)
{
    if (end - p < 12 || memcmp(p, "HTTP/", 5) != 0 || !is_digit(p[5]) || p[6] != '.' ||
        !is_digit(p[7]) || p[8] != '\r' || p[9] != '\n')
        return BAD_REQUEST;
    head->minor = p[7] - '0';
    return p[5] == '1' && head->minor <= 1 ? 0 : VERSION;
}

static int parse_request_line(char **at, const char *end, yk__http_head *head)
{
    char *p = *at;
    head->method = p;
    while (yk__http_is(*p, YK__HTTP_TOKEN))
        p++;
    head->method_len = (uint32_t)(p - head->method);
    if (head->method_len == 0 || *p != ' ')
        return BAD_REQUEST;
    *p++ = 0;
    head->target = p;
    while (yk__http_is(*p, YK__HTTP_TARGET))
        p++;
    head->target_len = (uint32_t)(p - head->target);
    if (head->target_len == 0 || *p != ' ')
        return BAD_REQUEST;
    *p++ = 0;
    *at = p + 10;
    int err = parse_version(p, end, head);
    return err ? err : parse_target(head);
}

/* ---- Fields ---------------------------------------------------------------------------------- */

/* Those that decide about the message; NULL: did not come. */
typedef struct decisive {
    const yk__http_field *host, *length, *coding, *expect, *upgrade;
    bool twice; /* one of the first four, which is refused */
    bool says_close, says_keep_alive, says_upgrade;
} decisive;

static void note_once(const yk__http_field **place, const yk__http_field *f, decisive *d)
{
    d->twice |= *place != NULL;
    *place = f;
}

static void note_connection(decisive *d, const yk__http_field *f)
{
    const char *at = f->value, *word;
    size_t len;
    while (next_word(&at, f->value + f->value_len, &word, &len)) {
        d->says_close |= is_word(word, len, "close");
        d->says_keep_alive |= is_word(word, len, "keep-alive");
        d->says_upgrade |= is_word(word, len, "upgrade");
    }
}

static void note_field(decisive *d, const yk__http_field *f)
{
    switch (f->name_len) {
    case 4:
        if (strcasecmp(f->name, "host") == 0)
            note_once(&d->host, f, d);
        break;
    case 6:
        if (strcasecmp(f->name, "expect") == 0)
            note_once(&d->expect, f, d);
        break;
    case 7:
        if (strcasecmp(f->name, "upgrade") == 0)
            d->upgrade = f;
        break;
    case 10:
        if (strcasecmp(f->name, "connection") == 0)
            note_connection(d, f);
        break;
    case 14:
        if (strcasecmp(f->name, "content-length") == 0)
            note_once(&d->length, f, d);
        break;
    case 17:
        if (strcasecmp(f->name, "transfer-encoding") == 0)
            note_once(&d->coding, f, d);
        break;
    }
}

/* To the first byte that may not stand in a value, which is one below 0x20, or 0x7f. Eight at a
 * time: a byte is below n where subtracting n makes its top bit, which was not set. */
static char *skip_value(char *p, const char *end)
{
    const uint64_t ones = UINT64_MAX / 255, tops = ones * 128;
    for (;;) {
        while (end - p >= 8) {
            uint64_t word, deletes;
            memcpy(&word, p, 8);
            deletes = word ^ ones * 0x7f;
            if ((((word - ones * 0x20) & ~word) | ((deletes - ones) & ~deletes)) & tops)
                break;
            p += 8;
        }
        while (yk__http_is(*p, YK__HTTP_VALUE) && *p != '\t')
            p++;
        if (*p != '\t')
            return p;
        p++;
    }
}

static int parse_field(char **at, const char *end, yk__http_field *f)
{
    char *p = *at;
    f->name = p;
    while (yk__http_is(*p, YK__HTTP_TOKEN))
        p++;
    f->name_len = (uint32_t)(p - f->name);
    if (f->name_len == 0 || *p != ':')
        return BAD_REQUEST;
    *p++ = 0;
    while (is_blank(*p))
        p++;
    f->value = p;
    p = skip_value(p, end);
    if (p[0] != '\r' || p[1] != '\n')
        return BAD_REQUEST;
    *at = p + 2;
    while (p > f->value && is_blank(p[-1]))
        p--;
    *p = 0;
    f->value_len = (uint32_t)(p - f->value);
    return 0;
}

static int parse_fields(char *p, const char *end, yk__http_head *head, decisive *d)
{
    head->fields = 0;
    while (*p != '\r') {
        if (head->fields == YK__HTTP_FIELDS)
            return FIELDS_LARGE;
        yk__http_field *f = &head->field[head->fields++];
        int err = parse_field(&p, end, f);
        if (err)
            return err;
        note_field(d, f);
    }
    return p + 2 == end ? 0 : BAD_REQUEST;
}

/* ---- What they mean -------------------------------------------------------------------------- */

static int take_host(yk__http_head *head, const decisive *d)
{
    if (!d->host) {
        if (!head->host) {
            head->host = "";
            head->host_len = 0;
        }
        return head->minor == 0 ? 0 : BAD_REQUEST;
    }
    if (d->host->value_len > 0 && !is_host(d->host->value, d->host->value_len))
        return BAD_REQUEST;
    if (!head->host) {
        head->host = d->host->value;
        head->host_len = d->host->value_len;
    }
    return 0;
}

static int take_length(yk__http_head *head, const yk__http_field *f)
{
    head->has_length = f != NULL;
    head->length = 0;
    if (!f)
        return 0;
    const char *p = f->value;
    uint64_t length = 0;
    for (; is_digit(*p) && length <= INT64_MAX; p++)
        if (__builtin_mul_overflow(length, 10, &length) ||
            __builtin_add_overflow(length, *p - '0', &length))
            return BAD_REQUEST;
    head->length = length;
    return *p || f->value_len == 0 || length > INT64_MAX ? BAD_REQUEST : 0;
}

/* Only "chunked". Where that is the last of several, the answer says that the others are not known;
 * elsewhere nobody can say where the body ends (RFC 9112, 6.3). */
static int take_coding(yk__http_head *head, const decisive *d)
{
    head->chunked = d->coding != NULL;
    if (!d->coding)
        return 0;
    if (head->minor == 0 || d->length)
        return BAD_REQUEST;
    const char *at = d->coding->value, *end = at + d->coding->value_len, *word;
    size_t len = 0, words = 0;
    for (; next_word(&at, end, &word, &len); words++)
        if (len == 0 || (is_word(word, len, "chunked") && at <= end))
            return BAD_REQUEST;
    if (!is_word(word, len, "chunked"))
        return BAD_REQUEST;
    return words == 1 ? 0 : NOT_KNOWN;
}

static int decide(yk__http_head *head, const decisive *d)
{
    if (d->twice)
        return BAD_REQUEST;
    head->keep_alive = !d->says_close && (head->minor == 1 || d->says_keep_alive);
    head->upgrade = d->upgrade && d->says_upgrade && head->minor == 1;
    head->expects_continue = d->expect && head->minor == 1;
    int err = take_host(head, d);
    if (!err)
        err = take_length(head, d->length);
    if (!err)
        err = take_coding(head, d);
    if (!err && head->expects_continue && strcasecmp(d->expect->value, "100-continue") != 0)
        err = EXPECTATION;
    return err;
}

int yk__http_parse_head(char *bytes, size_t len, yk__http_head *head)
{
    size_t start = blank_lines(bytes, len);
    if (len > UINT32_MAX)
        return FIELDS_LARGE;
    if (len < start + 4 || memcmp(bytes + len - 4, "\r\n\r\n", 4) != 0)
        return BAD_REQUEST;
    char *p = bytes + start;
    decisive d = { 0 };
    int err = parse_request_line(&p, bytes + len, head);
    if (!err)
        err = parse_fields(p, bytes + len, head, &d);
    return err ? err : decide(head, &d);
}
