#include "loop/http_reading.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loop/http/parser.h"

void free_reading(reading *r)
{
    free(r->text);
    free(r->method);
    *r = (reading){ 0 };
}

static void write_head(FILE *out, const yk__http_head *head)
{
    fprintf(out, "%s\n%s\n1.%d %s %s ", head->method, head->target, head->minor,
            head->keep_alive ? "keep-alive" : "close", head->upgrade ? "upgrade" : "-");
    if (head->chunked)
        fputs("chunked\n", out);
    else
        fprintf(out, "%" PRIu64 "\n", head->length);
    for (uint32_t i = 0; i < head->fields; i++)
        fprintf(out, "%s: %s\n", head->field[i].name, head->field[i].value);
    fputc('\n', out);
}

/* What is fed to the calls of the parser: never more than has come, in memory that ends there. */
typedef struct feed {
    const char *bytes;
    size_t len, step, have;
} feed;

static bool more(feed *f)
{
    size_t left = f->len - f->have;
    f->have += left < f->step ? left : f->step;
    return left > 0;
}

static char *come(const feed *f, size_t from)
{
    size_t n = f->have - from;
    char *copy = malloc(n ? n : 1);
    memcpy(copy, f->bytes + from, n);
    return copy;
}

static long read_head(feed *f, yk__http_head *head, char **bytes)
{
    size_t seen = 0;
    long got = 0;
    *bytes = NULL;
    while (got == 0 && more(f)) {
        free(*bytes);
        *bytes = come(f, 0);
        got = yk__http_find_head(*bytes, f->have, &seen);
    }
    int err = got > 0 ? yk__http_parse_head(*bytes, (size_t)got, head) : 0;
    return err ? err : got;
}

static long read_chunks(feed *f, size_t at, FILE *out)
{
    yk__chunks c = { 0 };
    int got = 0;
    while (!got && (at < f->have || more(f))) {
        size_t used = 0, n = 0;
        const char *data;
        char *bytes = come(f, at);
        got = yk__chunks_take(&c, bytes, f->have - at, &used, &data, &n);
        if (got >= 0)
            fwrite(data, 1, n, out);
        free(bytes);
        at += used;
    }
    return got > 0 ? (long)at : got;
}

static long read_length(const feed *f, size_t at, uint64_t length, FILE *out)
{
    bool whole = length <= f->len - at;
    fwrite(f->bytes + at, 1, whole ? (size_t)length : f->len - at, out);
    return whole ? (long)(at + length) : 0;
}

reading read_as_yoke(const char *bytes, size_t len, size_t step)
{
    reading r = { 0 };
    feed f = { bytes, len, step, 0 };
    yk__http_head head;
    char *copy;
    FILE *out = open_memstream(&r.text, &r.len);
    r.end = read_head(&f, &head, &copy);
    if (r.end > 0) {
        write_head(out, &head);
        r.method = strdup(head.method);
        r.last = !head.keep_alive || head.upgrade;
        r.end = head.chunked ? read_chunks(&f, (size_t)r.end, out)
                             : read_length(&f, (size_t)r.end, head.length, out);
    }
    free(copy);
    fclose(out);
    return r;
}
