/* Memory that is shared with forked processes. */
#include "page.h"

#include <sys/mman.h>

void *yk__shared_new(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void yk__shared_free(void *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}
