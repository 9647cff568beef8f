/* loop/http/files_internal.h - the bytes of files. Not installed. */
#ifndef YOKE_LOOP_HTTP_FILES_INTERNAL_H
#define YOKE_LOOP_HTTP_FILES_INTERNAL_H

#include <stdint.h>

#include "files.h"

/* Opens a file for reading: beneath the folder `root`, or anywhere with root AT_FDCWD. Waits for
 * the disk on a thread if it must. A descriptor, or UV_ENOENT, UV_EXDEV (it leads out), ... */
int yk__file_open_in(int root, const char *path);

/* The same without openat2, at once; symbolic links are UV_ELOOP or UV_ENOTDIR. */
int yk__file_walk(int root, const char *path);

/* Sends bytes of the file, as a part of the body. YK_ETRUNCATED: it has become shorter. */
int yk__http_send_bytes(yk_http *h, int fd, uint64_t at, uint64_t len);

#endif
