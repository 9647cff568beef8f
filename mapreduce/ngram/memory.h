/* mapreduce/ngram/memory.h - how much memory the program and its worker processes use. */
#ifndef NGRAM_MEMORY_H
#define NGRAM_MEMORY_H

#include <stdint.h>

/* Bytes of this process and all processes below it now: private and shared memory by proportion,
 * without mapped files. 0 where the system does not tell. */
uint64_t ngram_memory_now(void);

#endif
