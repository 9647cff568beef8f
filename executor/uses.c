/* A job's references to blocks of the arena. See uses.h. */
#include "uses.h"

#include <stdlib.h>
#include <uv.h>

#include "arena.h"

void yk__uses_give_back_all(void **uses)
{
    for (void **block = uses; *block; block++)
        yk_arena_free(*block);
    free(uses);
}

bool yk__uses_are_there(const yk_job_options *options)
{
    for (const void *const *p = options->uses; *p; p++) {
        void *block = yk_arena_ref(*p);
        if (!block)
            return false;
        yk_arena_free(block);
    }
    return true;
}

int yk__uses_take(yk__work *work, const yk_job_options *options)
{
    size_t n = 0;
    while (options->uses && options->uses[n])
        n++;
    if (n == 0)
        return 0;
    void **uses = calloc(n + 1, sizeof *uses);
    if (!uses)
        return UV_ENOMEM;
    for (size_t i = 0; i < n; i++)
        uses[i] = yk_arena_ref(options->uses[i]); /* the caller has one, so it is there */
    work->future.uses = uses;
    return 0;
}
