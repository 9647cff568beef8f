/* mapreduce/ngram/survey_store.h - what is in a store. */
#ifndef NGRAM_SURVEY_STORE_H
#define NGRAM_SURVEY_STORE_H

#include "survey.h"

/* Opens the file into survey->store if it is a store, and unless `thorough`, reads all of it.
 * False: it is none. True: it is, and *err says how that went; damage is told in the work's
 * message. */
bool ngram_survey_store(ngram_survey *survey, const char *path, bool thorough,
                        ngram_background *work, int *err);

#endif
