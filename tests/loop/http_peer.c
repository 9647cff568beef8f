/* tests/loop/http_peer.c - libhttp-parser as a second opinion.
 *
 * Everything that yoke takes it has to read in the same way. These differences are allowed:
 *   - It keeps white space at the end of a field's value (RFC 9110, 5.5: not part of the value).
 *   - It takes Proxy-Connection for Connection (RFC 9112, C.2.2: not a standard field).
 *   - In HTTP/1.0, keep-alive is stronger to it than close (RFC 9112, 9.3: close is looked at
 * first).
 *   - It takes Upgrade in HTTP/1.0 (RFC 9110, 7.8: ignored there).
 *   - A field whose name only begins with Transfer-Encoding is one to it, and refused.
 *   - It knows 34 methods and refuses others (RFC 9110, 9.1: any token).
 *   - In Connection it overlooks words in lists of anything but close, keep-alive and upgrade:
 * behind an empty element, behind one that begins like these (RFC 9110, 5.6.1.2 and 7.6.1). A TAB
 * is no white space to it there (5.6.3): it gets spaces.
 *   - It takes a trailer for a field: it refuses one called Content-Length behind chunks, where
 *     yoke drops trailers (RFC 9110, 6.5.1: not merged into the fields).
 * It takes much that yoke refuses: what the tests call `laxer`.
 */
#include <http_parser.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loop/http_reading.h"

typedef struct peer {
    FILE *out, *fields;
    char *collected;
    size_t collected_len;
    const char *method; /* to be said instead of what it has read */
    bool in_value, any_field, headed, done, last;
} peer;

static void end_field(peer *p)
{
    if (p->any_field)
        fputc('\n', p->fields);
    p->in_value = false;
}

static int on_field(http_parser *parser, const char *at, size_t len)
{
    peer *p = parser->data;
    if (p->headed)
        return 0;
    if (p->in_value || !p->any_field)
        end_field(p);
    p->any_field = true;
    fwrite(at, 1, len, p->fields);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
    peer *p = parser->data;
    if (p->headed)
        return 0;
    if (!p->in_value)
        fputs(": ", p->fields);
    p->in_value = true;
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    fwrite(at, 1, len, p->fields);
    return 0;
}

static int on_target(http_parser *parser, const char *at, size_t len)
{
    peer *p = parser->data;
    fprintf(p->out, "%s\n", p->method ? p->method : http_method_str(parser->method));
    fwrite(at, 1, len, p->out);
    return 0;
}

static int on_head(http_parser *parser)
{
    peer *p = parser->data;
    bool chunked = parser->flags & F_CHUNKED, length = parser->flags & F_CONTENTLENGTH;
    bool keep_alive = http_should_keep_alive(parser) && !(parser->flags & F_CONNECTION_CLOSE);
    bool upgrade = parser->upgrade && parser->http_minor == 1;
    end_field(p);
    fflush(p->fields);
    fprintf(p->out, "\n1.%d %s %s ", parser->http_minor, keep_alive ? "keep-alive" : "close",
            upgrade ? "upgrade" : "-");
    if (chunked)
        fputs("chunked\n", p->out);
    else
        fprintf(p->out, "%" PRIu64 "\n", length ? parser->content_length : 0);
    fprintf(p->out, "%s\n", p->collected);
    p->headed = true;
    p->last = !keep_alive || upgrade;
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
    fwrite(at, 1, len, ((peer *)parser->data)->out);
    return 0;
}

static int on_end(http_parser *parser)
{
    ((peer *)parser->data)->done = true;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings settings = {
    .on_url = on_target,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_end,
};

static bool is_known(const char *method)
{
    for (unsigned m = 0; m <= HTTP_SOURCE; m++)
        if (strcmp(method, http_method_str(m)) == 0)
            return true;
    return false;
}

/* The bytes with a method that it knows. *shift: how many more there are now. */
static char *with_known_method(const char *bytes, size_t *len, const char *method, long *shift)
{
    size_t blank = 0, old = strlen(method), n = 4;
    while (blank < *len && (bytes[blank] == '\r' || bytes[blank] == '\n'))
        blank++;
    char *copy = malloc(*len + n);
    memcpy(copy, bytes, blank);
    memcpy(copy + blank, "POST", n);
    memcpy(copy + blank + n, bytes + blank + old, *len - blank - old);
    *len += n - old;
    *shift = (long)n - (long)old;
    return copy;
}

reading read_as_peer(const char *bytes, size_t len, const char *method)
{
    reading r = { 0 };
    peer p = { .method = is_known(method) ? NULL : method };
    long shift = 0;
    char *copy = p.method ? with_known_method(bytes, &len, method, &shift) : NULL;
    p.out = open_memstream(&r.text, &r.len);
    p.fields = open_memstream(&p.collected, &p.collected_len);
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &p;
    size_t used = http_parser_execute(&parser, &settings, copy ? copy : bytes, len);
    enum http_errno err = HTTP_PARSER_ERRNO(&parser);
    if (p.done)
        r.end = (long)used - shift;
    else if (err != HPE_OK)
        r.end = -(long)err;
    r.last = p.last;
    fclose(p.out);
    fclose(p.fields);
    free(p.collected);
    free(copy);
    return r;
}

/* ---- Differences ----------------------------------------------------------------------------- */

static void blank_tabs(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\t')
            text[i] = ' ';
}

static bool same_text(const reading *a, const reading *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* The next line that is a field of this name; NULL: none. */
static const char *find_field(const char *line, const char *name)
{
    while ((line = strchr(line, '\n')) != NULL && line[1] != '\n') {
        line++;
        if (strncasecmp(line, name, strlen(name)) == 0)
            return line;
    }
    return NULL;
}

static bool has_field(const reading *r, const char *name)
{
    return find_field(r->text, name) != NULL;
}

static size_t known_word(const char *p)
{
    static const char *const words[] = { "close", "keep-alive", "upgrade" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncasecmp(p, words[i], strlen(words[i])) == 0)
            return strlen(words[i]);
    return 0;
}

static bool has_odd_connection(const reading *r)
{
    for (const char *p = r->text; (p = find_field(p, "Connection:")) != NULL;) {
        for (p += strlen("Connection:"); *p != '\n';) {
            p += *p == ' ';
            size_t len = known_word(p);
            p += len;
            if (len == 0 || (*p != '\n' && *p != ',') || (*p == ',' && p[1] == '\n'))
                return true;
            p += *p == ',';
        }
    }
    return false;
}

/* The same method, target, version, length, fields and body; what is different is whether the
 * connection goes on. */
static bool same_message(const reading *a, const reading *b)
{
    size_t words = strcspn(a->text, "\n") + 1;
    words += strcspn(a->text + words, "\n") + 5; /* "1.1 " */
    if (a->len < words || b->len < words || strncmp(a->text, b->text, words) != 0)
        return false;
    const char *x = strchr(a->text + words, ' ') + 1, *y = strchr(b->text + words, ' ') + 1;
    x = strchr(x, ' ');
    y = strchr(y, ' ');
    size_t len = a->len - (size_t)(x - a->text);
    return a->end == b->end && len == b->len - (size_t)(y - b->text) && memcmp(x, y, len) == 0;
}

static bool is_allowed(const reading *yoke, const reading *theirs)
{
    bool length =
        theirs->end == -HPE_INVALID_CONTENT_LENGTH || theirs->end == -HPE_UNEXPECTED_CONTENT_LENGTH;
    bool trailer = length && same_text(yoke, theirs);
    bool name = (length || theirs->end == -HPE_INVALID_TRANSFER_ENCODING) &&
                has_field(yoke, "Transfer-Encoding") && !has_field(yoke, "Transfer-Encoding:");
    bool odd = has_field(yoke, "Proxy-Connection:") || has_odd_connection(yoke);
    return trailer || name || (odd && same_message(yoke, theirs));
}

static char *describe(const reading *yoke, const reading *theirs)
{
    char *text;
    if (asprintf(&text, "yoke reads, to %ld:\n%s\n---- the peer, to %ld (%s):\n%s\n----", yoke->end,
                 yoke->text, theirs->end,
                 theirs->end < 0 ? http_errno_name((enum http_errno) - theirs->end) : "taken",
                 theirs->text) < 0)
        abort();
    return text;
}

static char *compare(reading *yoke, const char *bytes, size_t len)
{
    char *copy = malloc(len), *text = NULL;
    memcpy(copy, bytes, len);
    blank_tabs(copy, len);
    blank_tabs(yoke->text, yoke->len);
    reading theirs = read_as_peer(copy, len, yoke->method);
    bool same = yoke->end == theirs.end && same_text(yoke, &theirs);
    if (!same && is_allowed(yoke, &theirs))
        yoke->last = true; /* what comes then is read in two ways */
    else if (!same)
        text = describe(yoke, &theirs);
    free_reading(&theirs);
    free(copy);
    return text;
}

char *difference_to_peer(const char *bytes, size_t len, unsigned *taken)
{
    char *text = NULL;
    bool last = false;
    *taken = 0;
    for (size_t at = 0; at < len && !last && !text;) {
        reading yoke = read_as_yoke(bytes + at, len - at, len - at);
        if (yoke.len > 0 && yoke.end >= 0)
            text = compare(&yoke, bytes + at, len - at);
        last = yoke.end <= 0 || yoke.last;
        *taken += yoke.end > 0;
        at += yoke.end > 0 ? (size_t)yoke.end : 0;
        free_reading(&yoke);
    }
    return text;
}
