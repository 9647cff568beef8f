/* tests/data/test_fuzz.c - the fuzz targets over inputs made here: good rows, damaged a little. */
#include "data/files.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const pieces[] = { "\t",
                                      "\n",
                                      "\r\n",
                                      ",",
                                      "1999",
                                      "0000",
                                      "99999",
                                      "\t\t",
                                      "word",
                                      "\xff",
                                      "-1",
                                      " ",
                                      "_NOUN",
                                      "18446744073709551615",
                                      "1\t",
                                      ",1",
                                      "\n\n",
                                      "word\t1999\t1\t1\n",
                                      "word\t1999,1,1\t2000,2,2\n" };

/* Puts, takes away or changes something somewhere. */
static void damage(bytes *b, uint64_t *seed)
{
    size_t at = (size_t)below(seed, b->size + 1);
    bytes out = { 0 };
    bytes_add(&out, b->data, at);
    const char *piece = pieces[below(seed, sizeof pieces / sizeof *pieces)];
    size_t taken = (size_t)below(seed, 8);
    if (below(seed, 2))
        bytes_add(&out, piece, strlen(piece));
    at += taken < b->size - at ? taken : b->size - at;
    bytes_add(&out, b->data + at, b->size - at);
    bytes_free(b);
    *b = out;
}

static void add_long_rows(bytes *b, uint64_t *seed)
{
    for (uint64_t rows = below(seed, 5); rows > 0; rows--) {
        bytes_format(b, "w%d", (int)below(seed, 3));
        for (uint64_t years = 1 + below(seed, 30); years > 0; years--)
            bytes_format(b, "\t%d,%d,%d", (int)(1700 + below(seed, 300)), (int)below(seed, 100000),
                         (int)below(seed, 100));
        bytes_text(b, "\n");
    }
}

static void test_rows_damaged_at_random(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 6000; i++) {
        uint64_t seed = i * 0x9e3779b97f4a7c15;
        bytes b = { 0 };
        add_long_rows(&b, &seed);
        add_rows(&b, seed, (unsigned)below(&seed, 60));
        add_long_rows(&b, &seed);
        for (uint64_t k = below(&seed, 12); k > 0; k--)
            damage(&b, &seed);
        LLVMFuzzerTestOneInput((const uint8_t *)b.data, b.size);
        bytes_free(&b);
    }
}

static void test_nothing_but_pieces(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 20000; i++) {
        uint64_t seed = i * 0x9e3779b97f4a7c15;
        bytes b = { 0 };
        for (uint64_t k = below(&seed, 40); k > 0; k--) {
            const char *piece = pieces[below(&seed, sizeof pieces / sizeof *pieces)];
            bytes_add(&b, piece, strlen(piece));
        }
        LLVMFuzzerTestOneInput((const uint8_t *)b.data, b.size);
        bytes_free(&b);
    }
}

static void test_nothing_but_noise(void **state)
{
    (void)state;
    static const char common[] = "\t\t\t\n,0123456789ab\r";
    for (uint64_t seed = 1; seed <= 5000; seed++) {
        uint64_t random = seed;
        uint8_t noise[200];
        size_t size = (size_t)below(&random, sizeof noise);
        for (size_t i = 0; i < size; i++)
            noise[i] = seed % 2 ? (uint8_t)common[below(&random, sizeof common)]
                                : (uint8_t)(next_random(&random) >> 20);
        LLVMFuzzerTestOneInput(noise, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_damaged_at_random),
        cmocka_unit_test(test_nothing_but_pieces),
        cmocka_unit_test(test_nothing_but_noise),
    };
    return cmocka_run_group_tests_name("data/fuzz", tests, files_setup, files_teardown);
}
