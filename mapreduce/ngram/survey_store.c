/* mapreduce/ngram/survey_store.c - what is in a store. */
#include "survey_store.h"

#include <stdio.h>

#include "../../executor/error.h"

typedef struct watch {
    ngram_background *work;
    uint64_t before, size, ngrams; /* bytes of the files before, of this one, and its n-grams */
} watch;

static int note_progress(uint64_t ngrams, void *arg)
{
    const watch *w = arg;
    double share = w->ngrams ? (double)ngrams / (double)w->ngrams : 1;
    atomic_store_explicit(&w->work->done,
                          w->before + (uint64_t)((share < 1 ? share : 1) * (double)w->size),
                          memory_order_relaxed);
    return yk_job_cancelled(w->work->job);
}

static int verify_store(ngram_survey *s, const char *path, ngram_background *work)
{
    watch w = { work, work->done, s->stored, ngram_store_about(s->store)->ngrams };
    int err = ngram_store_verify(s->store, note_progress, &w);
    if (err == YK_ECORRUPT || err == YK_ETRUNCATED)
        snprintf(work->message, sizeof work->message, "%s: the store is damaged", path);
    return err;
}

bool ngram_survey_store(ngram_survey *s, const char *path, bool thorough, ngram_background *work,
                        int *err)
{
    char message[sizeof work->message];
    *err = ngram_store_open(&s->store, path, message, sizeof message);
    if (*err == YK_ECORRUPT || *err == YK_ETRUNCATED)
        snprintf(work->message, sizeof work->message, "%s", message);
    else if (*err)
        return false;
    if (!*err && !thorough)
        *err = verify_store(s, path, work);
    return true;
}
