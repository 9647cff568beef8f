/* data/seek_table.h - where the frames of a zstd file are: the table behind the last frame, in the
 * zstd seekable format (docs/formats.md). Not installed.
 *
 * A table is somebody's word. yk__seek_table_read() believes it only where its sizes add up to the
 * file's and a frame's header with the said content stands at every place it names; whoever reads
 * frames by it has to see that they end where the next one is said to begin (blocks.c does).
 */
#ifndef YOKE_DATA_SEEK_TABLE_H
#define YOKE_DATA_SEEK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/pipeline.h"

typedef struct yk__seek_entry {
    uint32_t stored;   /* the frame's size in the file */
    uint32_t content;  /* of text; 0: also a skippable frame's */
    uint32_t checksum; /* the low 32 bits of the text's XXH64, as at the end of the frame */
} yk__seek_entry;

/* ---- writing ---- */

typedef struct yk__seek_list {
    yk__seek_entry *entries; /* to be freed */
    size_t count, room;
} yk__seek_list;

/* 0 or UV_ENOMEM. */
int yk__seek_list_add(yk__seek_list *list, const yk__seek_entry *entry);

/* The table with the frame around it, to be put behind the last frame of the file. 0; UV_ENOMEM;
 * UV_EFBIG for more frames than the format has room for. */
int yk__seek_list_write(const yk__seek_list *list, yk__buffer *to);

/* ---- reading ---- */

typedef struct yk__seek_table {
    uint64_t begin; /* of the frame that holds it, in the file */
    size_t count;
    bool checksums;
    yk__seek_entry entries[];
} yk__seek_table;

typedef enum yk__seek_state {
    YK__SEEK_GOOD = 0,
    YK__SEEK_NONE,  /* there is none */
    YK__SEEK_WRONG, /* there is something like it, and *reason says what is wrong */
} yk__seek_state;

/* Reads the table at the end of the bytes [begin, end) of `fd`. `*table` is the caller's, to be
 * freed; it is set for YK__SEEK_GOOD only. `reason` may be NULL. Negative: an error. */
int yk__seek_table_read(yk__seek_table **table, int fd, uint64_t begin, uint64_t end,
                        const char **reason);

/* ---- holding it against the frames ---- */

typedef struct yk__frames {
    uint64_t count, checked; /* frames with text, and those of them that have a checksum */
    yk__seek_state table;
    const char *wrong; /* what is wrong with the table, or NULL */
    uint64_t entry;    /* for `wrong`: the entry, counted from 0, where it is about one */
    bool has_entry;
} yk__frames;

/* Walks all frames in the bytes [begin, end) of `fd` and compares the seek table, if there is one,
 * with them. Whether they can be unpacked is not looked at. 0 or an error. */
int yk__frames_walk(yk__frames *frames, int fd, uint64_t begin, uint64_t end);

#endif
