/* mapreduce/ngram/memory.c - proportional memory of a family of processes, from /proc. */
#include "memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEEPEST = 8 };

static uint64_t process_memory(int pid)
{
    char path[64], line[128];
    unsigned long long kilobytes, total = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Pss_Anon: %llu", &kilobytes) == 1 ||
            sscanf(line, "Pss_Shmem: %llu", &kilobytes) == 1)
            total += kilobytes;
    if (file)
        fclose(file);
    return (uint64_t)total * 1024;
}

static uint64_t family_memory(int pid, int depth)
{
    char path[64];
    int child;
    uint64_t total = process_memory(pid);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *file = depth < DEEPEST ? fopen(path, "re") : NULL;
    while (file && fscanf(file, "%d", &child) == 1)
        total += family_memory(child, depth + 1);
    if (file)
        fclose(file);
    return total;
}

uint64_t ngram_memory_now(void)
{
    return family_memory((int)getpid(), 0);
}
