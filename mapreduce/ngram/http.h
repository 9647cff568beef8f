/* mapreduce/ngram/http.h - what all requests have in common, and a page of text. */
#ifndef NGRAM_HTTP_H
#define NGRAM_HTTP_H

#include "download.h"

void ngram_http_set_up(CURL *easy, const char *url, const ngram_download_options *options);

/* May a request that was answered so be answered otherwise a little later? */
bool ngram_http_may_pass(long status);

/* How long to wait before the next attempt, after so many failures in a row: in milliseconds. */
uint64_t ngram_http_pause(const ngram_download_options *options, CURL *easy, int failures);

/* In a task: a page of text, to be freed. 0; YK_ECANCELED; or an error told in `message`. */
int ngram_http_page(const char *url, const ngram_download_options *options, char **text,
                    char message[NGRAM_DOWNLOAD_MESSAGE]);

#endif
