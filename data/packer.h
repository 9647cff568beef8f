/* data/packer.h - text into a plain, gzip or zstd file, in chunks that several threads pack. Not
 * installed.
 *
 *   1. yk__packer_new()
 *   2. yk__packer_room()    where the next bytes of text go
 *      yk__packer_wrote()   so many of them are there. Once there is a chunk of text, it is cut
 *                           behind its last LF and packed; what follows is for the next chunk
 *   3. yk__packer_finish()
 *
 * zstd: a chunk is a frame with its content's size and checksum, so frames begin at the beginning
 * of a row; a seek table (data/seek_table.h) follows the last one. gzip: one member, as pigz makes
 * it. The bytes depend neither on the number of threads nor on how the text comes.
 */
#ifndef YOKE_DATA_PACKER_H
#define YOKE_DATA_PACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/input.h"

#define YK__CHUNK     ((size_t)1 << 20)
#define YK__CHUNK_MAX ((size_t)128 << 20) /* what every zstd decoder takes without being asked */

typedef struct yk__packer_options {
    yk_packing packing;
    int level; /* 0: gzip 6 (of 1 to 9), zstd 3 (of 1 to 19) */
    bool far;  /* zstd: looks for repetitions in all of the chunk (long-distance matching) */
    int threads;
    size_t chunk; /* bytes of text, up to YK__CHUNK_MAX; a longer row makes a longer chunk. 0:
                     YK__CHUNK */
    /* Writes what is packed, in order: 0 or an error. Called from the caller's thread, but for
     * YK_PLAIN, where one helper calls it. */
    int (*write)(void *arg, const void *bytes, size_t size);
    void *arg;
} yk__packer_options;

typedef struct yk__packer yk__packer;

typedef struct yk__packed {
    uint64_t text, stored, rows, chunks;
} yk__packed;

/* 0 or UV_ENOMEM. */
int yk__packer_new(yk__packer **packer, const yk__packer_options *options);

/* Room for at least `least` bytes; NULL after an error, which yk__packer_wrote() returned. */
char *yk__packer_room(yk__packer *packer, size_t least);

/* How much is missing for a chunk, at least 1: a good size to read. */
size_t yk__packer_wanted(yk__packer *packer);

/* 0, or the first error that happened: of `write`, UV_ENOMEM, or YK_EFORMAT for a row of more than
 * YK_RECORD_MAX bytes. */
int yk__packer_wrote(yk__packer *packer, size_t size);

/* Packs and writes what is left. 0 or the first error of all. `packed` may be NULL. */
int yk__packer_finish(yk__packer *packer, yk__packed *packed);

void yk__packer_free(yk__packer *packer);

#endif
