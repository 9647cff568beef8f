/* yoke/mapreduce/sink.h - where the result goes, and in what form.
 *
 * A sink is a path and a few functions that write text. The engine sees to the file: what is to be
 * a regular file is written without a name, or under a temporary one, beside its place, and gets
 * its name when all is well; so a failure leaves nothing and an old file as it was. A device, a
 * FIFO, a terminal or standard output is written to directly, and not before the whole result is
 * known.
 *
 * The functions run on a thread of the engine's, one after the other; `arg` must be good until
 * yk_mapreduce() returns.
 */
#ifndef YOKE_MAPREDUCE_SINK_H
#define YOKE_MAPREDUCE_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "split.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_writer yk_writer;

/* All functions but `record` may be NULL. A negative number that one returns fails the job. A value
 * is the fold's, of its size and aligned for any type of up to 8 bytes, or the bytes that a reduce
 * function emitted, not aligned. */
typedef struct yk_sink {
    const char *path; /* NULL or "-": standard output */
    /* Called for every record before anything is written, in no order: for the widths of columns,
     * say. */
    int (*measure)(yk_str key, yk_str value, void *arg);
    int (*begin)(yk_writer *to, void *arg);
    int (*record)(yk_writer *to, yk_str key, yk_str value, void *arg);
    int (*end)(yk_writer *to, void *arg);
    void *arg;
} yk_sink;

/* One line a record: key TAB value LF. A value that was folded is uint64_t numbers, one or several
 * columns; one that was reduced is written as it is. */
yk_sink yk_sink_tsv(const char *path);

/* The descriptor of the file, for a sink that writes it by itself and nothing by the calls below:
 * empty, regular, and the engine's to close and to name. UV_EINVAL: the output is none. */
int yk_writer_file(const yk_writer *to);

/* Errors of writing stay with the writer and fail the job, so the results may be ignored. */
int yk_write(yk_writer *to, const void *bytes, size_t len);
int yk_write_text(yk_writer *to, const char *text);
int yk_write_u64(yk_writer *to, uint64_t number);

#ifdef __cplusplus
}
#endif
#endif
