/* mapreduce/engine.h - one running map-reduce job. Not installed.
 *
 * Everything here belongs to the caller's task (or thread) and is touched by nobody else; what jobs
 * work on is handed to them and not looked at until they have ended.
 *
 * A job reads in this order: inputs.c opens and cuts, map_phase.c (and what flights.h names) keeps
 * the executor busy with the pieces, spill.c holds their results, merge_phase.c merges and writes
 * (spill_merge.c, if they did not fit into memory), engine.c is the frame around it.
 */
#ifndef YOKE_MAPREDUCE_ENGINE_H
#define YOKE_MAPREDUCE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../data/input.h"
#include "../executor/future.h"
#include "journal.h"
#include "map_job.h"
#include "mapreduce.h"
#include "output.h"
#include "spill.h"
#include "stream.h"

enum { YK__TRIES = 3 }; /* of a job whose worker dies */

typedef struct yk__search yk__search;

/* A piece of an input. */
typedef struct yk__piece {
    bool mapped;
    yk__chunk chunk;        /* of a stream, until it was mapped */
    uint64_t text_before;   /* in its file; YK_SIZE_UNKNOWN: nobody knows */
    int deaths;             /* of workers that mapped it */
    unsigned copies;        /* of its job that are under way */
    yk__search *search;     /* for records that kill them, if one did */
    uint64_t text, records; /* once it was mapped */
} yk__piece;

/* What a journal says of a piece. */
typedef struct yk__done {
    bool is; /* it does */
    yk__finished piece;
} yk__done;

/* One input, and its pieces in order. */
typedef struct yk__file {
    const char *path;    /* "" for standard input */
    const char *name;    /* for messages */
    yk_input_info about; /* without its name */
    yk_input *input;     /* what cannot be opened again by its path; else NULL */
    bool is_stream;
    yk_range *ranges; /* of pieces that are no chunks */
    yk__piece *pieces;
    size_t n_pieces, cap_pieces;
    size_t next;    /* the first piece that was never submitted */
    uint64_t text;  /* of the pieces so far; YK_SIZE_UNKNOWN: nobody knows */
    yk__done *done; /* by piece */
    size_t n_done;

    yk__stream stream;
    bool open;          /* the stream has begun and not ended */
    yk_future *reading; /* its read job */
    size_t chunks;      /* that it has in use */
    yk__chunk *spare;   /* and those waiting for use */
    size_t n_spare;
    uint64_t stored_seen; /* of the stream, counted in the statistics */
} yk__file;

/* A place in the order of the input: pieces are compared by it. */
typedef struct yk__where {
    size_t file, piece;
} yk__where;

/* A job that is under way. */
typedef struct yk__flight {
    yk_future *future;
    yk__where where;
    uint64_t since;
    bool reads;      /* a read job of that file; `piece` is the one it makes */
    bool searches;   /* a job of the piece's search */
    yk__load *batch; /* it is spilled; `where` means nothing */
} yk__flight;

typedef struct yk__engine {
    yk_mapreduce_options o; /* with the defaults filled in */
    yk_mapreduce_report *report;
    yk_mapreduce_stats stats;
    uint64_t began, next_progress;

    yk_executor *executor, *own_executor;
    yk_executor *io; /* threads that read streams and write the output */
    size_t workers, window;
    uint64_t seed;
    yk__form form;     /* of the values */
    bool in_processes; /* a piece came back from another process */

    yk__file *files;
    size_t n_files;
    size_t first; /* all pieces of the files before it have been submitted */
    size_t streams_open, max_streams, max_chunks;

    yk__flight *flights;
    size_t n_flights, cap_flights, n_mapping;
    uint64_t mapped_ns; /* that the pieces so far took, all together */
    yk__where *again;   /* pieces whose worker died */
    size_t n_again, cap_again;

    /* Nothing at or behind `limit` is begun any more, and what runs there is cancelled: the place
     * of the earliest failure so far. */
    bool failed;
    yk__where limit;
    yk__flaw flaw;
    bool has_bad; /* a record was skipped; the first one */
    yk__where bad_at;
    yk__flaw bad;

    yk__counters counters;
    yk__spill spill;
    yk__journal journal;
    yk__output *outputs;
    size_t n_outputs;
    yk_future *merged[YK__PARTS];
} yk__engine;

/* inputs.c */
int yk__inputs_open(yk__engine *e);
size_t yk__streams_at_once(const yk__engine *e); /* how many inputs that cannot be cut are read */
void yk__inputs_free(yk__engine *e);
/* Adds a piece of `text` bytes, which may be YK_SIZE_UNKNOWN. */
int yk__add_piece(yk__file *f, yk__chunk chunk, uint64_t text);

/* map_phase.c */
int yk__map_phase(yk__engine *e);
/* Waits until a future has ended, whatever happens to the caller's task meanwhile; cancels it if
 * the task is cancelled. 0 or YK_ECANCELED. */
int yk__await_end(yk__engine *e, yk_future *f);
/* A record was skipped in that piece, its first one. */
void yk__note_bad(yk__engine *e, yk__where where, const yk__flaw *bad);

/* verify.c */
/* Looks whether the failure in e->flaw is damage to the packing, and if so, says that instead. */
void yk__verify_failure(yk__engine *e);

/* merge_phase.c, write_phase.c */
int yk__merge_phase(yk__engine *e);
int yk__write_phase(yk__engine *e);

/* outputs.c: opened before any work; ended with their names if `err` is 0, else with nothing left
 */
int yk__outputs_open(yk__engine *e);
int yk__outputs_end(yk__engine *e, int err);
void yk__outputs_free(yk__engine *e);

/* engine.c */
/* Sets the report's message, once, and returns `code`. */
int yk__explain(yk__engine *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Counts what a job has counted that is known to count; explains a failure. */
int yk__count_all(yk__engine *e, const yk__counters *counters);
/* Calls the progress function if it is time, or if `now` says so. */
void yk__tell_progress(yk__engine *e, bool now);

#endif
