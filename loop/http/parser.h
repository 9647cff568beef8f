/* loop/http/parser.h - reading the head of an HTTP/1.1 request, and chunked bodies. Not installed.
 *
 * Strict by RFC 9110 and 9112: what two programs could read differently is refused. Allocates
 * nothing: what is found points into the caller's buffer, in which the byte after each string
 * becomes a NUL. A connection takes these steps:
 *
 *   1. yk__http_find_head() whenever more has come, until the end of a head is there;
 *   2. yk__http_parse_head() on that head, once;
 *   3. of the body `length` bytes, or yk__chunks_take() until it says that the body is over;
 *   4. the next head begins right behind.
 *
 * Refusals are negative: the status of the answer that the request deserves (-400 and so on). The
 * connection ends with it: where the next request begins is not known.
 */
#ifndef YOKE_LOOP_HTTP_PARSER_H
#define YOKE_LOOP_HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { YK__HTTP_FIELDS = 100 }; /* of one head; more are refused */

/* Name and value with a NUL each; the value without white space at its ends. */
typedef struct yk__http_field {
    char *name, *value;
    uint32_t name_len, value_len;
} yk__http_field;

typedef struct yk__http_head {
    char *method, *target; /* with a NUL each; any method but CONNECT */
    char *path;            /* in the target: what follows scheme and authority, if it has them:
                              "/...", or "?..." or "" behind an authority; "*" for OPTIONS */
    const char *host;      /* the target's authority, else the value of Host; without a NUL */
    uint32_t method_len, target_len, host_len;
    uint32_t fields;
    int minor;             /* HTTP/1.0 or HTTP/1.1 */
    bool keep_alive;       /* the client would send another request */
    bool chunked;          /* a chunked body follows, */
    bool has_length;       /* or one of `length` bytes; */
    uint64_t length;       /* 0 without: no body follows */
    bool expects_continue; /* waits for 100 Continue before it sends the body */
    bool upgrade;          /* has Upgrade, and says so in Connection */
    yk__http_field field[YK__HTTP_FIELDS];
} yk__http_head;

/* Looks for the end of a head. Its length; 0: it is not there yet; or -400, for what no more bytes
 * can mend. *seen: how far it has looked, 0 at first. Up to four blank lines before the request
 * belong to the head. */
long yk__http_find_head(const char *bytes, size_t len, size_t *seen);

/* The answer to a head that has no end among the first `len` bytes, and may not be longer: -414
 * where the request line alone is too long, else -431. */
int yk__http_too_long(const char *bytes, size_t len);

/* Parses a head of the length that yk__http_find_head() has said. 0; -400; -417: an expectation
 * that is unknown; -431: too many fields; -501: a transfer coding that is unknown, or CONNECT;
 * -505. When it is refused, what stands in `head` and in the buffer is undefined. Percent escapes
 * in the target are left as they are, also broken ones. */
int yk__http_parse_head(char *bytes, size_t len, yk__http_head *head);

/* A chunked body on its way; all 0 at its beginning. */
typedef struct yk__chunks {
    uint64_t left;   /* bytes that the chunk still has */
    uint32_t extra;  /* bytes of extensions or trailers beyond what the data paid for */
    uint16_t digits; /* of the chunk's size, up to now */
    uint16_t state;
} yk__chunks;

/* Takes a part of a chunked body: of the `len` bytes *used, among which *data_len are data, at
 * *data (there may be none). 0: go on with what follows those used, or with more where all were;
 * 1: the body is over, its trailers checked and dropped; -400; -431: more trailers or extensions
 * than 4 KiB. */
int yk__chunks_take(yk__chunks *c, const char *bytes, size_t len, size_t *used, const char **data,
                    size_t *data_len);

#endif
