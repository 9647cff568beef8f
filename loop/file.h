/* yoke/loop/file.h - files and folders, without holding up the loop.
 *
 *   char *text;
 *   size_t len;
 *   int err = yk_read_file("/etc/motd", 64 << 10, &text, &len, yk_after_ms(1000));
 *   if (!err)
 *       err = yk_write_file("motd.copy", text, len, 0644, YK_FOREVER);
 *   free(text);
 *
 *   yk_file *f;
 *   err = yk_file_open(&f, "log", O_RDWR | O_CREAT | O_APPEND, 0644, YK_FOREVER);
 *   err = yk_file_write(f, line, len, YK_FOREVER);
 *   yk_file_close(f, YK_FOREVER);
 *
 * For tasks. Every call runs on a thread of the loop's default executor (offload.h), for the
 * system's own calls on files wait for the disk. Where the deadline passes or the task is
 * cancelled, the call is left to that thread: a read has taken nothing then, a write may be done or
 * not, and memory of the caller's is not touched any more.
 *
 * Beside the system's errors (UV_ENOENT, ...) the calls return UV_ETIMEDOUT; YK_ECANCELED;
 * YK_EONLOOP outside a task, UV_EINVAL without a loop; UV_ENOMEM; and what the executor refuses
 * jobs with. What they return by a pointer is untouched then.
 */
#ifndef YOKE_LOOP_FILE_H
#define YOKE_LOOP_FILE_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "../executor/clock.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Whole files ----------------------------------------------------------------------------- */

/* Reads all of a file into *data: *len bytes and a NUL, to be freed with free(). YK_ETOOBIG: it has
 * more than `limit` bytes. */
int yk_read_file(const char *path, size_t limit, char **data, size_t *len, uint64_t deadline);

/* Writes a file at once: at every moment, also after a crash, there is under `path` what was there
 * before or all of the new. (It is written beside it, as PATH.XXXXXXXXXXXXXXXX, synced, and
 * renamed; what fails leaves nothing.) `mode` as for open(2). */
int yk_write_file(const char *path, const void *data, size_t len, mode_t mode, uint64_t deadline);

/* ---- An open file ---------------------------------------------------------------------------- */

/* Belongs to whoever opened it, until yk_file_close(); for the thread of its loop. */
typedef struct yk_file yk_file;

/* As open(2): O_RDONLY, O_CREAT, ... ; O_CLOEXEC is added. */
int yk_file_open(yk_file **file, const char *path, int flags, mode_t mode, uint64_t deadline);

/* Takes up to `cap` bytes, 1 MiB at most, from where the last one ended. *len: how many. YK_END:
 * there are no more. For files that have positions; for others there are streams. */
int yk_file_read(yk_file *file, void *out, size_t cap, size_t *len, uint64_t deadline);

/* Writes all of it where the last read or write ended; with O_APPEND, at the file's end. */
int yk_file_write(yk_file *file, const void *data, size_t len, uint64_t deadline);

/* The same at an offset, in bytes; the position stays. Any number of tasks at once. */
int yk_file_pread(yk_file *file, void *out, size_t cap, uint64_t offset, size_t *len,
                  uint64_t deadline);
int yk_file_pwrite(yk_file *file, const void *data, size_t len, uint64_t offset, uint64_t deadline);

/* As fstat(2). */
int yk_file_stat(yk_file *file, struct stat *out, uint64_t deadline);

/* As fsync(2): what was written is on the disk. */
int yk_file_sync(yk_file *file, uint64_t deadline);

/* Gives the file back, whatever it returns: 0, an error of close(2), or of the wait, and then it is
 * closed nonetheless. A call that was left to its thread has the file open until it has ended.
 * Takes NULL. */
int yk_file_close(yk_file *file, uint64_t deadline);

/* ---- By path --------------------------------------------------------------------------------- */

/* As stat(2), rename(2), unlink(2) and mkdir(2). */
int yk_fs_stat(const char *path, struct stat *out, uint64_t deadline);
int yk_fs_rename(const char *from, const char *to, uint64_t deadline);
int yk_fs_unlink(const char *path, uint64_t deadline);
int yk_fs_mkdir(const char *path, mode_t mode, uint64_t deadline);

/* The names in a folder, but for "." and "..", sorted byte by byte: *n of them in *names, one piece
 * of memory to be freed with free(). */
int yk_fs_readdir(const char *path, char ***names, size_t *n, uint64_t deadline);

#ifdef __cplusplus
}
#endif
#endif
