/* Threads that are inside malloc, stdio, the locale, the dynamic linker and the resolver most of
 * the time: whoever forked a process at such a moment would leave it with locks that nobody opens.
 */
#ifndef TESTS_SUPPORT_NOISE_H
#define TESTS_SUPPORT_NOISE_H

#include <stddef.h>

/* Once through all of it; 0, or -1. `n` makes it vary. */
int noise_once(unsigned n);

/* `threads` threads that do it over and over, each at another place of it; and `bytes` of memory,
 * touched. NULL: not to be had. */
typedef struct noise noise;
noise *noise_begin(unsigned threads, size_t bytes);
void noise_end(noise *n);

#endif
