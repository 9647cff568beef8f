/* A thread inherits the mask of signals of who starts it. */
#include "quiet_thread.h"

#include <signal.h>
#include <uv.h>

int yk__quiet_thread(pthread_t *id, void *(*fn)(void *), void *arg, const char *name)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = uv_translate_sys_error(pthread_create(id, NULL, fn, arg));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!err)
        pthread_setname_np(*id, name);
    return err;
}
