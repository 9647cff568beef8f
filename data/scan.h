/* data/scan.h - all the text of a file, looked at by several threads, results in order. Not
 * installed.
 *
 * A file that can be cut is read and unpacked by the helpers, a range each; any other is unpacked
 * by the caller's thread, while helpers look at what came before.
 */
#ifndef YOKE_DATA_SCAN_H
#define YOKE_DATA_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "data/input.h"
#include "data/pipeline.h"

/* A stretch of whole rows. */
typedef struct yk__stretch {
    void *extra;     /* extra_size bytes for results, zeroed before its first block */
    yk__buffer *out; /* more room for them, empty at first */
    uint64_t text;   /* bytes of it before the block; when it is taken, all of them */
} yk__stretch;

typedef struct yk__scan_options {
    int threads;
    size_t extra_size;
    /* Looks at a block of whole rows, on a helper's thread. 0 or an error. */
    int (*block)(yk__stretch *stretch, const yk_block *block, void *arg);
    /* Takes the stretches in the order of the text, on the caller's thread. 0 or an error. */
    int (*take)(yk__stretch *stretch, void *arg);
    /* Told how many stored bytes are done, now and then, on the caller's thread; other than 0 stops
     * with YK_ECANCELED. While a pipe has nothing to read it is asked, too. May be NULL. */
    int (*tick)(uint64_t stored, void *arg);
    void *arg;
} yk__scan_options;

/* Returns 0, or the first error in the order of the text: of reading and unpacking (`message` of
 * `size` bytes then says in one line what and where), or of the functions. */
int yk__scan(const yk_input *input, const yk__scan_options *options, char *message, size_t size);

#endif
