/* mapreduce/stream.h - inputs that cannot be cut: gzip, pipes, zstd in one frame. Not installed.
 *
 * Somebody has to read them from the beginning to the end. Every open stream has a thread that
 * reads and unpacks, a chunk of text up to a record's end at a time, and never waits while there is
 * a chunk to be filled: it has two of its own, and is that much ahead of what was asked for. Chunks
 * are asked for by jobs of the engine's own small thread pool, one a stream at a time (yk__read_job
 * gives the thread an empty chunk for a full one); how far reading runs ahead of mapping is up to
 * how many chunks there are. What is unpacked from gzip files is read by one thread more.
 */
#ifndef YOKE_MAPREDUCE_STREAM_H
#define YOKE_MAPREDUCE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../data/input.h"
#include "../executor/job.h"
#include "map_job.h"

/* Memory for text that every worker can see. */
typedef struct yk__chunk {
    char *at;
    size_t len, cap;
} yk__chunk;

/* Memory that every worker of every executor can see: of the arena if there is one (yk_init() was
 * called), else of this process alone, for then there are only threads. NULL: no memory. */
void *yk__shared_block(size_t size);
void yk__shared_block_free(void *block);

int yk__chunk_make(yk__chunk *chunk, size_t cap);
void yk__chunk_free(yk__chunk *chunk);

/* A chunk is no larger, but for a record that is. The larger, the less often is anybody woken. */
enum { YK__LARGEST_CHUNK = 2 << 20 };

/* Chunks of the thread's own. */
enum { YK__CHUNKS_AHEAD = 2 };

typedef struct yk__ahead yk__ahead;

typedef struct yk__stream {
    const char *name; /* for messages */
    size_t target;    /* bytes of text in a chunk */
    yk_splitter splitter;
    const char *path; /* opened when reading begins, if */
    int fd;           /* this is -1; else it is read, and stays the caller's */
    yk__ahead *ahead; /* the thread; NULL: not begun, or ended */

    /* Of the last read job, good once it has ended. */
    yk__chunk chunk;
    bool ended;      /* nothing more follows */
    uint64_t stored; /* bytes taken so far */
    yk__flaw flaw;   /* damage behind the chunk; then the stream has ended too */
} yk__stream;

/* Prepares to read `fd`, or if that is -1, the file at `path`; nothing is opened yet. The strings
 * stay the caller's. */
void yk__stream_init(yk__stream *s, const char *path, const char *name, int fd, size_t target,
                     const yk_splitter *splitter);
void yk__stream_free(yk__stream *s);

/* Argument: a yk__stream * whose `chunk` is to be filled. Its end, damage included, is told in the
 * stream; the job itself fails for YK_ECANCELED alone. */
int yk__read_job(yk_job *job);

#endif
