/* mapreduce/ngram/units.h - numbers as people write and read them. */
#ifndef NGRAM_UNITS_H
#define NGRAM_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole number in decimal, nothing else around it. */
bool ngram_parse_number(const char *text, uint64_t *number);

/* A number of bytes: "4096", "64K", "1.5G" (powers of 1024; K, M, G, T, also KiB; "1GB" is a power
 * of 1000). */
bool ngram_parse_bytes(const char *text, uint64_t *bytes);

/* A decimal number for people, with three digits and a unit of a power of 1000: "1.23 G". Returns
 * `to`. */
const char *ngram_short_number(char to[16], double number);

/* Digits in groups of three: "1,234,567". Returns the length; needs 27 bytes. */
size_t ngram_group_digits(char to[27], uint64_t number);

#endif
