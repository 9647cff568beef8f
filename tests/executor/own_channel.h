/* For jobs that reach behind the library's back, in a worker process. */
#ifndef TESTS_EXECUTOR_OWN_CHANNEL_H
#define TESTS_EXECUTOR_OWN_CHANNEL_H

#include <stdio.h>
#include <string.h>

#include "executor/channel.h"

/* The one channel that is mapped in a worker. */
static inline yk__channel *own_channel(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    void *at = NULL;
    while (maps && !at && fgets(line, sizeof line, maps))
        if (strstr(line, "yoke-channel"))
            sscanf(line, "%p", &at);
    if (maps)
        fclose(maps);
    return at;
}

#endif
