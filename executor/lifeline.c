/* See lifeline.h. */
#include "lifeline.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

void yk__lifeline_hold(int fd)
{
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETSIG, SIGKILL);
    fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK);
    char byte;
    if (read(fd, &byte, 1) == 0)
        _exit(0); /* gone before the signal was set */
}
