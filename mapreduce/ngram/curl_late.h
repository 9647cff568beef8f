/* mapreduce/ngram/curl_late.h - libcurl, loaded by the command that needs it.
 *
 * With libcurl come some thirty libraries. To load them takes longer than to count a small file,
 * and each fork of a worker copies what they map. So the tool is not linked with it: the functions
 * that it calls are here, and pass their calls on. */
#ifndef NGRAM_CURL_LATE_H
#define NGRAM_CURL_LATE_H

/* Before anything else of libcurl is called. NULL, or why it cannot be loaded. */
const char *ngram_curl_load(void);

#endif
