/* loop/file_io.h - reading and writing to the end, on a thread. Not installed. */
#ifndef YOKE_LOOP_FILE_IO_H
#define YOKE_LOOP_FILE_IO_H

#include <stddef.h>
#include <stdint.h>

/* Reads until `cap` bytes are there or the file ends. *len: how many. */
int yk__read_at(int fd, char *out, size_t cap, uint64_t offset, size_t *len);

/* Writes all. */
int yk__write_at(int fd, const char *data, size_t len, uint64_t offset);

#endif
