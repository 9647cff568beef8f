/* yoke/data/input.h - files of records, whatever they are packed in.
 *
 * A record is a line: bytes up to and with an LF; the last one of a file may lack its LF. Files
 * are plain text, gzip (also many members) or zstd (also many frames, skippable ones among them),
 * told apart by their first bytes and never by their name.
 *
 *   1. yk_input_open()     looks at a file before any work: can it be read, what is in it?
 *   2. yk_input_ranges()   cuts it into ranges that can be read independently of each other
 *   3. yk_blocks_open()    reads one range, in any thread or process: a range is plain bytes, so
 *      yk_blocks_next()    it can be sent to a worker with the path; every block holds whole
 *                          records
 *   4. yk_input_locate()   after a failure: at which line and byte of the text was it?
 *
 * Cuts fall anywhere, also into the middle of a record. Whose is it then? A range that covers the
 * text [a, b) owns the records whose first byte s has a < s <= b; the first range of a file owns
 * s = 0 too. So a reader skips through the first LF at or after a, and reads on past b through
 * the first LF at or after b. Each record belongs to exactly one range, none looks back.
 *
 * gzip, zstd of a single frame and pipes cannot be cut: they are one range.
 *
 * Errors are negative: UV_E... of the operating system, YK_ECORRUPT, YK_ETRUNCATED, YK_EFORMAT
 * (a record longer than YK_RECORD_MAX). A reader that failed says what and where in one line that
 * names the file.
 */
#ifndef YOKE_DATA_INPUT_H
#define YOKE_DATA_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a file is packed in. */
typedef enum yk_packing {
    YK_UNKNOWN = 0, /* a pipe that nobody has read from yet; in options: choose for me */
    YK_PLAIN,
    YK_GZIP,
    YK_ZSTD,
} yk_packing;

/* "plain", "gzip", "zstd", "unknown". */
const char *yk_packing_name(yk_packing packing);

#define YK_SIZE_UNKNOWN UINT64_MAX /* only reading tells */
#define YK_RECORD_MAX                                                              \
    ((size_t)1 << 28) /* 256 MiB: a longer record is refused (YK_EFORMAT), so that \
                        a file without line ends cannot eat all memory */

/* ---- a file ---- */

/* A file that can be read. Immutable: any thread may use it. */
typedef struct yk_input yk_input;

typedef struct yk_input_info {
    const char *name;   /* as given; lives as long as the input */
    yk_packing packing; /* YK_UNKNOWN for a pipe */
    bool regular;       /* a regular file: it has a size and can be read from anywhere */
    bool splittable;    /* yk_input_ranges() may give more than one range */
    uint64_t size;      /* bytes as stored, from where reading begins; YK_SIZE_UNKNOWN for a pipe */
    uint64_t device;    /* with inode: the file's identity (is the output one of the inputs?) */
    uint64_t inode;
} yk_input_info;

/* Opens `path` for reading. Errors: UV_ENOENT, UV_EACCES, UV_EISDIR, ...; nothing is left open. */
int yk_input_open(yk_input **input, const char *path);

/* The same for an open descriptor such as standard input, from its present offset on. `fd` stays
 * the caller's and open until the input is closed; `name` is for messages and is copied. Nothing
 * is consumed from it: a pipe's packing shows only to its reader. */
int yk_input_open_fd(yk_input **input, int fd, const char *name);

const yk_input_info *yk_input_about(const yk_input *input);

/* The descriptor it reads from; the input's. For threads of this process it saves opening the file
 * again, and a named pipe must be read through it. */
int yk_input_fd(const yk_input *input);

/* NULL is allowed. Ranges made from the input stay good. */
void yk_input_close(yk_input *input);

/* ---- ranges ---- */

/* A piece of one file. Plain bytes without pointers: copy it, send it to another process. It
 * remembers which file it was cut from, so that a file changed in between is noticed. */
typedef struct yk_range {
    uint64_t begin;   /* in bytes of the file as stored */
    uint64_t end;     /* YK_SIZE_UNKNOWN: all that follows (a pipe) */
    uint64_t content; /* bytes of text in it; YK_SIZE_UNKNOWN where only reading tells */
    uint64_t device, inode, file_size; /* the file it was cut from (a pipe: file_size 0) */
    uint32_t packing;                  /* a yk_packing */
    uint32_t first;                    /* 1 for the range that owns the file's first record */
} yk_range;

/* Cuts the input into ranges of about `target` bytes of text each (0: 16 MiB); an input without a
 * byte in it gives none. `*ranges` is the caller's, to be freed with free(). For zstd this walks
 * the block headers of all frames (some 4 ms a GB of text) and groups whole frames. Damage is not
 * an error here: it ends up in a range whose reader will name it. */
int yk_input_ranges(const yk_input *input, uint64_t target, yk_range **ranges, size_t *count);

/* ---- reading a range record by record ---- */

/* Whole records: `end` lies behind an LF, or at the end of the file's text. Never empty. */
typedef struct yk_block {
    const char *begin, *end;
    uint64_t offset; /* of `begin` in the text, counted from the beginning of the range; for plain
                        files range.begin + offset is the place in the file */
} yk_block;

/* A reader of ranges: one thread at a time, any thread, any process. It can be opened again and
 * again, which saves its buffers. */
typedef struct yk_blocks yk_blocks;

/* NULL when out of memory. */
yk_blocks *yk_blocks_new(void);
void yk_blocks_free(yk_blocks *blocks); /* closes; NULL is allowed */

/* Begins with a range of the file at `path` (copied). Ends the range read before, if any. On
 * failure the reader is closed, and yk_blocks_error() tells. UV_EIO: it is no longer the file the
 * range was cut from, or it became shorter. */
int yk_blocks_open(yk_blocks *blocks, const char *path, const yk_range *range);

/* The same from a descriptor, which stays the caller's and open until the next open, close or free
 * of `blocks`. A regular file is read with pread (its offset does not move, so that many readers
 * may share it); a pipe is read to its end. `range` NULL: everything from the present offset. */
int yk_blocks_open_fd(yk_blocks *blocks, int fd, const char *name, const yk_range *range);

/* The next block. Returns 1, or 0 at the end of the range, or a negative error, and then the same
 * again for every further call. The block's bytes are good until the next call on `blocks`. May
 * block on the disk or the pipe. */
int yk_blocks_next(yk_blocks *blocks, yk_block *block);

/* What went wrong, in one line with the file's name; "" while nothing did. */
const char *yk_blocks_error(const yk_blocks *blocks);

/* How far it is: bytes of the file as stored that were taken so far (for progress), and bytes of
 * text that belong to the range so far. After yk_blocks_next() returned 0, yk_blocks_text() is the
 * range's length in text, so that the ranges' lengths up to a range are its offset in the text.
 * What was read past the range's end to finish its last record counts in neither. */
uint64_t yk_blocks_taken(const yk_blocks *blocks);
uint64_t yk_blocks_text(const yk_blocks *blocks);
yk_packing yk_blocks_packing(const yk_blocks *blocks);

/* Closes the file (a caller's descriptor stays open); buffers stay for the next open. */
void yk_blocks_close(yk_blocks *blocks);

/* Where in the whole text is the byte at `offset` of `range` (as in yk_block)? Gives its place
 * counted from 0 and its line counted from 1, by reading the file from its beginning once more:
 * for messages only. A packed file is then read on to the range's end, since a row may look bad
 * only because the packing is damaged: that comes back as YK_ECORRUPT or YK_ETRUNCATED, and is the
 * better thing to tell. Results may be NULL; `message` of `size` bytes tells an error in one line
 * with the file's name. UV_ESPIPE: a pipe cannot be read twice (add up yk_count_lines() instead).
 */
int yk_input_locate(const yk_input *input, const yk_range *range, uint64_t offset, uint64_t *byte,
                    uint64_t *line, char *message, size_t size);

/* LFs in [begin, end): a block that ends with an LF has that many records. */
uint64_t yk_count_lines(const char *begin, const char *end);

/* ---- reading a whole file as bytes ---- */

/* One thread at a time. */
typedef struct yk_reader yk_reader;

int yk_reader_open(yk_reader **reader, const char *path);

/* From the present offset of `fd`, which stays the caller's. The packing is told from the first
 * bytes, so this may block on a pipe. */
int yk_reader_open_fd(yk_reader **reader, int fd, const char *name);

/* The same for a descriptor that may keep its reader waiting (a pipe, a terminal), by a caller who
 * may want to stop: whenever bytes are needed, ready(fd, arg) is called first. It returns 0 when
 * there is something to read or the end, or a negative error, which the reader then returns. */
int yk_reader_open_ready(yk_reader **reader, int fd, const char *name,
                         int (*ready)(int fd, void *arg), void *arg);

/* Has what is packed read by a thread of its own from here on, one block (1 MiB) ahead of what
 * unpacks it, until the reader is closed: for large files. Only gzip in regular files gains by it;
 * for all else this does nothing. 0, or UV_ENOMEM or UV_EAGAIN, and then the reader is as before.
 */
int yk_reader_read_ahead(yk_reader *reader);

/* Up to `capacity` bytes of text into `buffer`: how many, 0 at the end, or a negative error (the
 * same again for every further call). What was read before the damage is handed out first. */
int64_t yk_reader_read(yk_reader *reader, void *buffer, size_t capacity);

const char *yk_reader_error(const yk_reader *reader); /* one line with the file's name, or "" */
yk_packing yk_reader_packing(const yk_reader *reader);
uint64_t yk_reader_taken(const yk_reader *reader); /* bytes as stored, so far */
void yk_reader_close(yk_reader *reader);           /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
