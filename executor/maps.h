/* executor/maps.h - what is mapped where in this process. Not installed. */
#ifndef YOKE_EXECUTOR_MAPS_H
#define YOKE_EXECUTOR_MAPS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct yk__mapping {
    uint64_t start, end; /* [start, end) */
    uint64_t offset;     /* of `start` in the file */
    bool readable, writable, executable;
    const char *path; /* "" for none, "[stack]", ...; cut at some 4000 bytes; good for the call */
} yk__mapping;

/* Calls fn for each mapping of this process, by rising address, until it returns false. Only calls
 * that a signal handler may make. False: /proc cannot be read. */
bool yk__maps_each(bool (*fn)(const yk__mapping *mapping, void *arg), void *arg);

#endif
