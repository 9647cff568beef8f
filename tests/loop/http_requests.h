/* tests/loop/http_requests.h - requests made by chance, of parts of which most are right. */
#ifndef TESTS_LOOP_HTTP_REQUESTS_H
#define TESTS_LOOP_HTTP_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

void chance_from(uint64_t seed);
unsigned below(unsigned n);

/* So many behind each other, to be freed. */
char *make_requests(unsigned n, size_t *len);

#endif
