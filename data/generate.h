/* yoke/data/generate.h - n-gram files made up, as large as one likes and always the same.
 *
 * What comes out looks like the dataset to whoever reads it: words in Zipf's shape from several
 * scripts, half of the n-grams with a part-of-speech tag (run_VERB), one to five words an n-gram,
 * some 60 years an n-gram with a long tail, counts that grow through the centuries, sorted by the
 * bytes of the n-gram with years ascending, and about as compressible as the true files.
 *
 * The same options give the same bytes on every machine (with one version of the compressing
 * library). Memory does not grow with the size.
 */
#ifndef YOKE_DATA_GENERATE_H
#define YOKE_DATA_GENERATE_H

#include <stddef.h>
#include <stdint.h>

#include "input.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ngram_generate_options {
    uint64_t bytes;     /* of text, before packing; met within 1 % (from some 100 KB up), in whole
                           rows; 0: 64 MiB */
    uint64_t seed;      /* any number; another seed, another file */
    int version;        /* of the layout: 2 or 3; 0: 2 */
    int max_words;      /* words an n-gram has at most, 1 to 5; 0: 5 */
    int shards;         /* sorted stretches one after the other, in which n-grams return, as in the
                           true version 2 files; 1 to 4096; 0: 1 */
    yk_packing packing; /* YK_UNKNOWN: by the path's ending (.gz, .zst), else plain */
    int level;          /* of compression: gzip 1 to 9, zstd 1 to 19; 0: 6 and 3 */
    int threads;        /* that compress zstd; 0: 2. The bytes do not depend on it */

    /* Called now and then from the calling thread with the bytes of text made and to be made;
     * what it returns other than 0 stops the work with YK_ECANCELED. */
    int (*progress)(uint64_t done, uint64_t total, void *arg);
    void *arg;
} ngram_generate_options;

/* What was made. */
typedef struct ngram_generated {
    uint64_t text_bytes;   /* before packing */
    uint64_t stored_bytes; /* after */
    uint64_t rows;         /* lines */
    uint64_t ngrams;       /* runs of one n-gram */
} ngram_generated;

/* Is anything wrong with the options? NULL, or one constant line: "max_words must be 1 to 5". */
const char *ngram_generate_check(const ngram_generate_options *options);

/* Writes to a descriptor, which stays the caller's. Blocks until all is written. `made` may be
 * NULL. Errors: UV_EINVAL (see ngram_generate_check()), UV_E... of writing, YK_ECANCELED,
 * UV_ENOMEM. What was written by then stays written. */
int ngram_generate_fd(const ngram_generate_options *options, int fd, ngram_generated *made);

/* Writes a file: first beside it under a name of its own, then renamed, so that a failure or a
 * stop leaves no half file and an old one untouched. */
int ngram_generate_file(const ngram_generate_options *options, const char *path,
                        ngram_generated *made);

#ifdef __cplusplus
}
#endif
#endif
