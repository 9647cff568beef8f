#include "faults.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

yk_future *square(const backend *b, yk_executor *ex, int n)
{
    return backend_submit(b, ex, job_square, &n, sizeof n);
}

void assert_works(const backend *b, yk_executor *ex)
{
    yk_future *f = square(b, ex, 7);
    int out = 0;
    assert_int_equal(yk_await_into(f, &out, sizeof out), 0);
    assert_int_equal(out, 49);
    yk_future_unref(f);
}

pid_t pid_of_worker(const backend *b, yk_executor *ex)
{
    yk_future *f = backend_submit(b, ex, job_pid, NULL, 0);
    pid_t pid = 0;
    assert_int_equal(yk_await_into(f, &pid, sizeof pid), 0);
    yk_future_unref(f);
    return pid;
}

bool is_gone(pid_t pid)
{
    proc_entry e;
    return !proc_look(pid, &e);
}

char state_of(pid_t pid)
{
    proc_entry e;
    return proc_look(pid, &e) ? e.state : 0;
}

int job_pid_block(yk_job *job)
{
    struct pid_block *p = yk_job_arg(job);
    atomic_store(p->pid, getpid());
    return job_block(job); /* whose argument is the first member */
}

void kill_the_zygote(void)
{
    proc_entry e[256];
    pid_t zygote = proc_zygote();
    size_t n = proc_descendants(getpid(), e, 256), standbys = 0;
    for (size_t i = 0; i < n; i++)
        standbys += e[i].parent == zygote && strcmp(e[i].name, "yoke-zygote") == 0;
    assert_true(zygote > 0 && standbys > 0);
    kill(zygote, SIGKILL);
    eventually(is_gone(zygote) || state_of(zygote) == 'Z');
}
