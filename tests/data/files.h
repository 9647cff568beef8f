/* tests/data/files.h - bytes, files and packings for the tests of data/. */
#ifndef TESTS_DATA_FILES_H
#define TESTS_DATA_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Bytes that grow. Free with bytes_free(). */
typedef struct bytes {
    char *data;
    size_t size, room;
} bytes;

void bytes_add(bytes *b, const void *data, size_t size);
void bytes_text(bytes *b, const char *text);
void bytes_format(bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_free(bytes *b);
bool bytes_same(const bytes *a, const bytes *b);

/* Appends `size` bytes as one gzip member, or one zstd frame (with checksum; the content size in
 * its header if `sized`). */
void add_gzip(bytes *out, const void *data, size_t size);
void add_zstd(bytes *out, const void *data, size_t size, bool sized);
void add_bare_zstd(bytes *out, const void *data, size_t size); /* neither checksum nor size */
void add_skippable(bytes *out, size_t size);

/* A temporary directory for this program, removed with what is in it at the end: group setup and
 * teardown. The setup also arms a watchdog. */
int files_setup(void **state);
int files_teardown(void **state);

/* Writes a file into that directory; the path is good until the program's end. */
const char *make_file(const char *name, const bytes *content);
const char *temp_path(const char *name);

/* Reads all of a file; fails the test if it cannot. */
bytes load_file(const char *path);

/* Small numbers that are the same in every run (xorshift). */
uint64_t next_random(uint64_t *state);
static inline uint64_t below(uint64_t *state, uint64_t limit)
{
    return next_random(state) % limit;
}

/* `rows` rows of version 2, runs of one n-gram, of all lengths. */
void add_rows(bytes *out, uint64_t seed, unsigned rows);

#endif
