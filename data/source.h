/* data/source.h - the bytes of a file as they are stored; private to data/.
 *
 * Regular files are read with pread and not mapped. Measured with rows folded from the page cache
 * (2 cores, 16 MiB ranges), a mapping gave 1.97 GB/s and pread into 1 MiB 1.93: two per cent are
 * a fair price for a file that becomes shorter being an error and not SIGBUS, for memory that does
 * not grow with the input, and for one path that serves plain, packed and piped input alike.
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

void yk__source_close(yk__source *source);

#endif
