/* mapreduce/ngram/inputs.c - files for the commands that read them by themselves. */
#include "inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../data/pipeline.h"
#include "../../executor/executor.h"

enum { LOOK_MS = 50 };

static const char standard[] = "standard input";

static bool is_standard(const char *path)
{
    return strcmp(path, "-") == 0;
}

static int wait_for_input(int fd, void *arg)
{
    const ngram_background *work = arg;
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    while (!yk_job_cancelled(work->job)) {
        int n = poll(&poll_fd, 1, LOOK_MS);
        if (n > 0 || (n < 0 && errno != EINTR))
            return 0; /* what is wrong, if anything, reading will tell */
    }
    return YK_ECANCELED;
}

static int tell(ngram_background *work, const char *path, int err)
{
    if (err && err != YK_ECANCELED)
        snprintf(work->message, sizeof work->message, "%.300s: %s",
                 is_standard(path) ? standard : path, yk_strerror(err));
    return err;
}

int ngram_open_reader(yk_reader **reader, const char *path, ngram_background *work)
{
    int err = is_standard(path)
                  ? yk_reader_open_ready(reader, STDIN_FILENO, standard, wait_for_input, work)
                  : yk_reader_open(reader, path);
    if (!err)
        yk_reader_read_ahead(*reader); /* or it reads itself */
    return tell(work, path, err);
}

int ngram_open_input(yk_input **input, const char *path, ngram_background *work)
{
    return tell(work, path,
                is_standard(path) ? yk_input_open_fd(input, STDIN_FILENO, standard)
                                  : yk_input_open(input, path));
}

uint64_t ngram_total_size(const char *const *files)
{
    uint64_t total = 0;
    for (; *files; files++) {
        struct stat status;
        int err = is_standard(*files) ? fstat(STDIN_FILENO, &status) : stat(*files, &status);
        if (err || !S_ISREG(status.st_mode))
            return 0;
        total += (uint64_t)status.st_size;
    }
    return total;
}

int ngram_threads(int asked)
{
    int n = asked ? asked : yk_cpu_count();
    return n < YK__PIPELINE_THREADS ? n : YK__PIPELINE_THREADS;
}
