/* mapreduce/journal.h - a job that was killed goes on where it was. Not installed.
 *
 * A journal is a directory:
 *
 *     lock         locked while a job uses it
 *     job          which job it is: "YKJRN01\n", then one zstd frame of text with a checksum
 *     run-N        a sorted run (run_file.h) of some pieces' results; its note says of which
 *     early-N-I    what a worker wrote of one piece before its end; counts if a note says so
 *     work/        what need not outlive this process
 *
 * A run is written under another name, synced, and renamed; so it is there whole or not at all, and
 * a piece is finished when a run that names it is there. No list has to be kept beside them. The
 * merge leaves them as they are, and the directory goes when the output has its name.
 *
 * The job is the same if its text is: the program, the functions, the options that matter to what
 * is in the runs, and all inputs with size and time. The pieces must be cut, and keys hashed, as
 * they were; so what was chosen by chance or circumstance is in the text, too, and taken from it.
 */
#ifndef YOKE_MAPREDUCE_JOURNAL_H
#define YOKE_MAPREDUCE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../executor/future.h"
#include "map_job.h"

struct yk__engine;
struct yk__where;

/* A finished piece, in a run's note. Behind it, if it has them: its first skipped record
 * (yk__flaw), and what was counted (yk_mapreduce_counter). */
typedef struct yk__finished {
    uint32_t file, piece;
    uint64_t text, stored, records, bad_records;
    uint64_t number; /* of its early runs, */
    uint32_t early;  /* and how many */
    uint16_t has_bad, counters;
} yk__finished;

typedef struct yk__journal {
    bool on;      /* there is one */
    char *folder; /* its directory, absolute */
    int fd;       /* of `lock`, which is locked; -1: it is not ours */
    size_t piece; /* bytes of text in one, as it was chosen then; 0: to be chosen now */
} yk__journal;

/* Makes the directory, or finds out whether it is of this job, when the inputs are known and before
 * they are cut. UV_EINVAL: it is of another. UV_EBUSY: it is in use. */
int yk__journal_open(struct yk__engine *e, size_t piece_now);

/* Takes over what is finished, when the inputs are cut. */
int yk__journal_load(struct yk__engine *e);

/* If a piece is finished, marks it as mapped and counts it. UV_EINVAL: it is not what it was. */
int yk__journal_restore(struct yk__engine *e, const struct yk__where *where);

/* The note for a run of these results; to be freed. */
int yk__journal_note(yk_future *const *results, const struct yk__where *places, size_t n,
                     char **note, size_t *len);

/* Ends it; `well`: the job has ended well, and the directory goes. It goes as well if there is
 * nothing in it to go on with. */
void yk__journal_close(struct yk__engine *e, bool well);

#endif
