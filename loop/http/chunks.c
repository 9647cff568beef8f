/* A chunked body (RFC 9112, 7.1), decoded in place: what is no data goes byte by byte through a
 * small machine, whatever the pieces in which it comes.
 *
 * Extensions and trailers are dropped, and bounded, as each may be endless: every byte of data pays
 * for one byte of extension.
 */
#include <sys/param.h>

#include "characters.h"
#include "parser.h"

#define MOST_EXTRA  4096
#define MOST_DIGITS 16
#define BAD_REQUEST (-400)
#define TOO_LARGE   (-431)

enum {
    SIZE, /* the beginning */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* the beginning of a line */
    NAME,
    VALUE,
    VALUE_LF,
    LAST_LF,
    OVER
};

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int take_size(yk__chunks *c, char byte)
{
    int digit = digit_of(byte);
    if (digit >= 0) {
        if (c->digits++ == MOST_DIGITS || c->left > (uint64_t)INT64_MAX >> 4)
            return BAD_REQUEST;
        c->left = c->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (c->digits == 0)
        return BAD_REQUEST;
    return byte == '\r' ? SIZE_LF : byte == ';' ? EXTENSION : BAD_REQUEST;
}

static int end_size(yk__chunks *c)
{
    c->digits = 0;
    if (c->left == 0)
        return TRAILER;
    c->extra -= (uint32_t)MIN(c->extra, c->left);
    return DATA;
}

static int take_extra(yk__chunks *c, char byte, int same, int next)
{
    if (byte == '\r')
        return next;
    if (!yk__http_is(byte, YK__HTTP_VALUE))
        return BAD_REQUEST;
    return ++c->extra > MOST_EXTRA ? TOO_LARGE : same;
}

static int take_name(yk__chunks *c, char byte)
{
    if (!yk__http_is(byte, YK__HTTP_TOKEN))
        return byte == ':' ? VALUE : BAD_REQUEST;
    return ++c->extra > MOST_EXTRA ? TOO_LARGE : NAME;
}

static int expect(char byte, char expected, int next)
{
    return byte == expected ? next : BAD_REQUEST;
}

/* The state after a byte that is no data, or a refusal. */
static int step(yk__chunks *c, char byte)
{
    switch (c->state) {
    case SIZE:
        return take_size(c, byte);
    case EXTENSION:
        return take_extra(c, byte, EXTENSION, SIZE_LF);
    case SIZE_LF:
        return byte == '\n' ? end_size(c) : BAD_REQUEST;
    case DATA_CR:
        return expect(byte, '\r', DATA_LF);
    case DATA_LF:
        return expect(byte, '\n', SIZE);
    case TRAILER:
        return byte == '\r' ? LAST_LF : byte == ':' ? BAD_REQUEST : take_name(c, byte);
    case NAME:
        return take_name(c, byte);
    case VALUE:
        return take_extra(c, byte, VALUE, VALUE_LF);
    case VALUE_LF:
        return expect(byte, '\n', TRAILER);
    case LAST_LF:
        return expect(byte, '\n', OVER);
    default:
        return BAD_REQUEST;
    }
}

int yk__chunks_take(yk__chunks *c, const char *bytes, size_t len, size_t *used, const char **data,
                    size_t *data_len)
{
    size_t i = 0;
    *data = bytes;
    *data_len = 0;
    while (i < len && c->state != DATA && c->state != OVER) {
        int next = step(c, bytes[i]);
        if (next < 0)
            return next;
        c->state = (uint16_t)next;
        i++;
    }
    if (i < len && c->state == DATA) {
        *data = bytes + i;
        *data_len = MIN(len - i, c->left);
        i += *data_len;
        c->left -= *data_len;
        if (c->left == 0)
            c->state = DATA_CR;
    }
    *used = i;
    return c->state == OVER;
}
