/* mapreduce/ngram/serve/address.h - "127.0.0.1:8080", "[::1]:8080", ":8080". */
#ifndef SERVE_ADDRESS_H
#define SERVE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Splits HOST:PORT; no host is "". False: it is none. */
bool serve_split_address(const char *address, char *host, size_t size, uint16_t *port);

#endif
