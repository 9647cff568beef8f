/* mapreduce/ngram/download.h - one file from a server, whatever comes between.
 *
 * What arrives goes to NAME.part, is checked while it arrives (arrival.h), and gets its name when
 * it is whole and good. What cannot be finished stays as NAME.part, with the server's mark of its
 * version beside it (NAME.part.tag), and the next call goes on behind it, if the server still has
 * the same. A file that is there is left alone.
 */
#ifndef NGRAM_DOWNLOAD_H
#define NGRAM_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "../../executor/executor.h"
#include "../../loop/curl.h"
#include "release.h"

enum { NGRAM_DOWNLOAD_MESSAGE = 800 };

typedef struct ngram_download_options {
    const char *folder;
    bool pack;         /* as zstd, instead of what came */
    uint64_t rate;     /* bytes a second at most; 0: no limit */
    int retries;       /* in a row without progress */
    uint64_t pause_ms; /* before the first of them; it doubles, up to 30 s */
    int stall_s;       /* so long nothing comes, then it is tried again */
    yk_curl *curl;
    yk_executor *threads;
} ngram_download_options;

/* How far it is; for the bar. */
typedef struct ngram_download_state {
    uint64_t have, total; /* bytes; total 0: not known yet */
    bool was_there;
    char *path; /* where it is in the end; to be freed */
} ngram_download_state;

/* In a task. 0; YK_ECANCELED; or an error told in `message`. */
int ngram_download(const ngram_part *part, const ngram_download_options *options,
                   ngram_download_state *state, char message[NGRAM_DOWNLOAD_MESSAGE]);

#endif
