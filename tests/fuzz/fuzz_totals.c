/* tests/fuzz/fuzz_totals.c - any bytes at all as total counts.
 *
 * What is read, written down in either layout and read again, is the same.
 */
#include <inttypes.h>
#include <string.h>

#include "data/totals.h"
#include "executor/error.h"
#include "fuzz.h"

static void check_again(const ngram_totals *t, char separator, char end)
{
    size_t room = 96 * t->count + 1, len = 0;
    char *text = malloc(room), message[200];
    require(text);
    for (size_t i = 0; i < t->count; i++) {
        const ngram_total *y = &t->years[i];
        len += (size_t)snprintf(
            text + len, room - len, "%d%c%" PRIu64 "%c%" PRIu64 "%c%" PRIu64 "%c", y->year,
            separator, y->match_count, separator, y->page_count, separator, y->volume_count, end);
    }
    ngram_totals *again;
    require(ngram_totals_parse(&again, text, len, "fuzz", message, sizeof message) == 0);
    require(again->count == t->count);
    for (size_t i = 0; i < t->count; i++) {
        const ngram_total *a = &again->years[i], *b = &t->years[i];
        require(a->year == b->year && a->match_count == b->match_count &&
                a->page_count == b->page_count && a->volume_count == b->volume_count);
    }
    free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngram_totals *t = NULL;
    char message[200] = "";
    int err = ngram_totals_parse(&t, (const char *)data, size, "fuzz", message, sizeof message);
    if (err) {
        require(err == YK_EFORMAT && !t && strncmp(message, "fuzz: ", 6) == 0);
        return 0;
    }
    require(t->count > 0);
    for (size_t i = 0; i < t->count; i++) {
        require(t->years[i].year >= 1 && t->years[i].year <= 9999);
        require(i == 0 || t->years[i - 1].year < t->years[i].year);
        require(ngram_totals_find(t, t->years[i].year) == &t->years[i]);
    }
    check_again(t, ',', '\t');
    check_again(t, '\t', '\n');
    free(t);
    return 0;
}
