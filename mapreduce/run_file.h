/* mapreduce/run_file.h - a sorted run in a file. Not installed.
 *
 * What does not fit into memory waits in files of records (run.h), partition after partition, in
 * each by the bytes of the keys and then by order. Numbers are little endian:
 *
 *     file     "YKRUN01\n" | block... | index block | uint64 offset of the index block | "YKRUNEND"
 *     block    uint32 length of the frame | one zstd frame, with its content's size and checksum
 *     index    a yk__run_index | a note of its writer's, any bytes
 *
 * A block has whole records of one partition, 64 KiB of them, or one record that is larger. It is
 * unpacked in one pass, without a window: an open run takes a block of memory and a descriptor, so
 * that many are merged at once.
 */
#ifndef YOKE_MAPREDUCE_RUN_FILE_H
#define YOKE_MAPREDUCE_RUN_FILE_H

#include <zstd.h>

#include "run.h"

enum { YK__RUN_BLOCK = 64 << 10 };

/* Where the partitions begin in the file; at[YK__PARTS] is the end of the last. */
typedef struct yk__run_index {
    uint64_t at[YK__PARTS + 1];
    uint64_t records[YK__PARTS];
} yk__run_index;

/* ---- Writing ------------------------------------------------------------------------------- */

typedef struct yk__run_writer {
    int fd;
    char *path;
    yk__form form;
    unsigned part;
    uint64_t offset;
    yk__run_index index;
    ZSTD_CCtx *zstd;
    char *raw, *packed;
    size_t raw_len, raw_cap, packed_cap;
} yk__run_writer;

/* Makes the file, and its folder if that is missing. Errors here and below: UV_E... */
int yk__run_create(yk__run_writer *w, const char *path, yk__form form);

/* Adds a record; they come by partition, key and order. A value of NULL is the caller's to write,
 * to *value, at once. */
int yk__run_add(yk__run_writer *w, const yk__view *view, char **value);

/* Writes index and note. `durable`: it is on the disk then, whatever happens to the machine. */
int yk__run_finish(yk__run_writer *w, const void *note, size_t len, bool durable);

/* Gives a run that is finished and durable its name, durably. */
int yk__run_publish(const char *temp, const char *path);

/* What was made or renamed in a folder is on the disk then. */
int yk__sync_folder(const char *folder);

/* Lets go of everything; what was not finished is removed. */
void yk__run_writer_free(yk__run_writer *w);

/* ---- Reading ------------------------------------------------------------------------------- */

/* What the readers of one thread share. */
typedef struct yk__run_tools {
    ZSTD_DCtx *zstd;
    char *packed;
    size_t cap;
} yk__run_tools;

int yk__run_tools_init(yk__run_tools *tools);
void yk__run_tools_free(yk__run_tools *tools);

typedef struct yk__run_reader {
    yk__run_tools *tools;
    int fd;
    const char *path; /* the caller's */
    yk__form form;
    yk__run_index index;
    uint64_t offset, end; /* of what is still to be read of the partition */
    char *block;
    size_t cap;
    const char *next, *limit; /* records that are unpacked */
} yk__run_reader;

/* Opens a run and reads its index. `note`, if not NULL: room for a copy of the note, to be freed.
 * Errors: UV_E..., YK_ECORRUPT. */
int yk__run_open(yk__run_reader *r, yk__run_tools *tools, const char *path, yk__form form,
                 char **note, size_t *len);

/* Goes to the beginning of a partition. */
void yk__run_select(yk__run_reader *r, unsigned part);

/* The next record of the partition, good until the next call: 1, 0 at its end, or an error. */
int yk__run_read(yk__run_reader *r, yk__view *view);

void yk__run_close(yk__run_reader *r);

#endif
