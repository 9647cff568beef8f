/* data/read_ahead.h - the next block of a file, read while the last one is unpacked; private to
 * data/.
 *
 * Of unpacking gzip, a twentieth of the time is copying what is packed out of the page cache, and
 * from a disk it is waiting: a thread does both, one block ahead.
 *
 * The calls are one thread's.
 */
#ifndef YOKE_DATA_READ_AHEAD_H
#define YOKE_DATA_READ_AHEAD_H

#include "data/source.h"

typedef struct yk__read_ahead yk__read_ahead;

/* Bytes of a buffer for a block: it begins in the second page, where yk__source_lead() says, and
 * what is left of the last one fits before it. */
#define YK__READ_AHEAD_BUFFER(block) ((block) + 2 * (size_t)YK__PAGE)

/* Begins to read what follows in a regular file, in blocks of `block` bytes. The descriptor stays
 * the source's, and open until stop. 0, UV_ENOMEM or UV_EAGAIN (no thread to be had). */
int yk__read_ahead_start(yk__read_ahead **ahead, const yk__source *source, size_t block);

/* Waits for the next block. Returns its length, less than a block's only at the end; *buffer, which
 * begins a page and came from aligned_alloc(), is then the thread's and the block's own the
 * caller's. Or returns the error of reading it, which is the last thing to be asked for. *at is the
 * place in the file up to which has been read. */
int64_t yk__read_ahead_next(yk__read_ahead *ahead, uint8_t **buffer, uint64_t *at);

/* Where in its buffer the block begins that next() gave. */
size_t yk__read_ahead_lead(const yk__read_ahead *ahead);

/* Waits for what is being read. Takes NULL. */
void yk__read_ahead_stop(yk__read_ahead *ahead);

#endif
