/* data/source.h - the bytes of a file as they are stored; private to data/.
 *
 * Regular files are read with pread and not mapped. With rows folded from the page
 * cache a mapping was 2 % faster (2 cores, 16 MiB ranges): a fair price for a file that becomes
 * shorter being an error and not SIGBUS, for memory that does not grow with the input, and for one
 * path that serves plain, packed and piped input alike.
 */
#ifndef YOKE_DATA_SOURCE_H
#define YOKE_DATA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

typedef struct yk__source {
    int fd;
    bool own;                        /* close it */
    bool regular;                    /* read with pread at `at`; else with read, to the end */
    uint64_t at;                     /* the next byte; of a pipe: counted from the first one read */
    uint64_t end;                    /* of a regular file, as it was when it was opened */
    int (*ready)(int fd, void *arg); /* waits for input of a pipe; NULL: poll() without limit */
    void *ready_arg;
} yk__source;

/* Opens what is at `path`, from its beginning; `*status` (not NULL) is what it is. A named pipe is
 * not waited for here but when it is read. Errors: of open(), and UV_EISDIR. */
int yk__source_open(yk__source *source, const char *path, struct stat *status);

/* The same for a descriptor of the caller's, from its present offset. */
int yk__source_open_fd(yk__source *source, int fd, struct stat *status);

/* Reads `size` bytes, fewer only at the end. UV_EIO if a regular file ends before source->end. */
int64_t yk__source_read(yk__source *source, void *buffer, size_t size);

/* Where in a buffer that begins a page the bytes that are kept have to begin, `kept` of them, so
 * that what is read behind them comes to the same place in its page as it has in the file. The
 * kernel copies 5 times as slowly where the two differ by a few bytes (rep movsb on Zen 4, 1 MiB at
 * once: 16 GB/s, 13 with 16 bytes between them, 3 with one). */
enum { YK__PAGE = 4096 };

static inline size_t yk__source_lead(const yk__source *source, size_t kept)
{
    return (size_t)(source->at - kept) % YK__PAGE;
}

void yk__source_close(yk__source *source);

#endif
