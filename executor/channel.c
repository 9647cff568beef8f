/* Making and mapping a worker's channel. */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(yk__job_slot) == 256 && sizeof(yk__result_slot) == 256, "4 cache lines");

yk__channel *yk__channel_map(int fd)
{
    void *at = mmap(NULL, sizeof(yk__channel), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

void yk__channel_unmap(yk__channel *channel)
{
    if (channel)
        munmap(channel, sizeof *channel);
}

static int size_and_seal(int fd)
{
    if (ftruncate(fd, sizeof(yk__channel)) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return -errno;
    return 0;
}

int yk__channel_new(yk__channel **channel, int *fd)
{
    int memfd = memfd_create("yoke-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memfd < 0)
        return -errno;
    int err = size_and_seal(memfd);
    yk__channel *c = err ? NULL : yk__channel_map(memfd);
    if (!c) {
        err = err ? err : -errno;
        close(memfd);
        return err;
    }
    *channel = c;
    *fd = memfd;
    return 0;
}
