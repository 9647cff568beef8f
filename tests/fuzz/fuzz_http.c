/* tests/fuzz/fuzz_http.c - any bytes at all as what a client of HTTP sends.
 *
 * The first byte says in what pieces the others come. Whatever the bytes:
 *   - the pieces make no difference to what is read;
 *   - what was taken, written down once more in a plain way, is read as the same message again;
 *   - libhttp-parser, where it is there, reads every message that is taken in the same way, and
 *     takes its end for the same byte (tests/loop/http_peer.c lists what may differ).
 */
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"
#include "loop/http_reading.h"

static bool same(const reading *a, const reading *b)
{
    return a->end == b->end && a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* The text of a reading as a request: its head, and its body as it is. */
static char *written_down(const reading *r, size_t *len)
{
    char method[4096], target[4096], version[16], body[32];
    char *text;
    FILE *out = open_memstream(&text, len);
    require(sscanf(r->text, "%4095s %4095s %15s %*s %*s %31s", method, target, version, body) == 4);
    const char *line = r->text;
    for (int i = 0; i < 3; i++)
        line = strchr(line, '\n') + 1;
    fprintf(out, "%s %s HTTP/%s\r\n", method, target, version);
    for (const char *end; *line != '\n'; line = end + 1) {
        end = strchr(line, '\n');
        fprintf(out, "%.*s\r\n", (int)(end - line), line);
    }
    size_t n = r->len - (size_t)(++line - r->text);
    fputs("\r\n", out);
    if (strcmp(body, "chunked") == 0) {
        if (n > 0)
            fprintf(out, "%zx\r\n", n);
        fwrite(line, 1, n, out);
        fputs(n > 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n", out);
    } else {
        fwrite(line, 1, n, out);
    }
    fclose(out);
    return text;
}

static void read_again(const reading *r)
{
    size_t len;
    char *text = written_down(r, &len);
    reading again = read_as_yoke(text, len, len);
    require(again.end == (long)len && again.len == r->len &&
            memcmp(again.text, r->text, r->len) == 0);
    free_reading(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 1;
    size_t len = size - 1, step = data[0] % 61 + 1;
    reading whole = read_as_yoke(bytes, len, len), pieces = read_as_yoke(bytes, len, step);
    require(same(&whole, &pieces));
    if (whole.end > 0)
        read_again(&whole);
    free_reading(&whole);
    free_reading(&pieces);
#ifdef YOKE_HTTP_PARSER
    unsigned taken;
    char *difference = difference_to_peer(bytes, len, &taken);
    if (difference)
        fprintf(stderr, "%s\n", difference);
    require(!difference);
#endif
    return 0;
}
