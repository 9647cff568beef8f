/* executor/crash.h - how a worker process died, told by itself. Not installed.
 *
 *   worker                                          parent
 *   a signal handler on a stack of its own fills
 *   the record in the channel, and dies of the
 *   signal after all                                when the process is gone, copies the record
 *                                                   once and checks it (yk__crash_copy); the copy
 *                                                   goes to the error of the job that was lost, and
 *                                                   becomes text when somebody asks for it
 *
 * A job that handles a signal itself is left alone: its handler takes the place of this one. Of a
 * signal that cannot be handled (SIGKILL) there is no record.
 */
#ifndef YOKE_EXECUTOR_CRASH_H
#define YOKE_EXECUTOR_CRASH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define YK__CRASH_FRAMES 32
#define YK__CRASH_PATHS  1024

/* Where a function was: the address, and what file is mapped there. `path` is where the file's name
 * begins in `paths`, 0 if there is none. */
typedef struct yk__crash_frame {
    uint64_t address;
    uint64_t offset; /* in the file */
    uint32_t path;
    uint32_t unused;
} yk__crash_frame;

/* Written by the worker, once, at its end. */
typedef struct yk__crash_record {
    _Atomic uint32_t signal; /* 0: none. Release, after the three below */
    int32_t code;            /* siginfo_t.si_code */
    int32_t sender;          /* the process that sent it, if one did */
    uint32_t unused;
    uint64_t address;            /* siginfo_t.si_addr */
    _Atomic uint32_t overflowed; /* 1: the fault was at the end of the stack; relaxed */
    _Atomic uint32_t n_frames;   /* release, after all below */
    yk__crash_frame frames[YK__CRASH_FRAMES]; /* the innermost first */
    char paths[YK__CRASH_PATHS];              /* strings; the first byte is none's */
} yk__crash_record;

/* ---- In the worker -------------------------------------------------------------------------- */

/* In the zygote: makes the stack that handlers run on, and has the unwinder do what it does but
 * once. What it has made is inherited. */
void yk__crash_prepare(void);

/* In a worker: from now on a crash goes into the record. `base`: an address in the frame of the
 * outermost function that is of interest. */
void yk__crash_watch(yk__crash_record *record, const void *base);

/* ---- In the parent -------------------------------------------------------------------------- */

/* A record that was copied and checked. */
typedef struct yk__crash yk__crash;

/* The worker is gone; it died of `signal` (0: not known). NULL: it left no record, or nonsense, or
 * there is no memory. */
yk__crash *yk__crash_copy(const yk__crash_record *record, int signal);
void yk__crash_free(yk__crash *crash);

/* What a copy was made of, for one in another process. */
void yk__crash_record_of(const yk__crash *crash, yk__crash_record *record);

/* How a worker ended while it ran a job. */
typedef struct yk__death {
    int signal;         /* 0: it exited, or nobody knows */
    int exit_status;    /* -1: nobody knows */
    bool out_of_memory; /* the kernel counted a kill for that reason */
    unsigned worker;
    int pid;          /* 0: not known */
    yk__crash *crash; /* owned by whoever has the death; NULL: none */
} yk__death;

/* One line about it; `label` as of yk__work_label. */
void yk__death_describe(const yk__death *death, const char *label, char *text, size_t size);

/* The YK_ECRASHED of a job called `name` (may be empty); takes death->crash over. Never NULL. */
yk_error *yk__death_error(yk__death *death, const char *message, const char *name);

/* Finds out what file each of `n` addresses is in; `paths` has YK__CRASH_PATHS bytes, the first of
 * them 0. Safe in a signal handler. */
void yk__crash_locate(yk__crash_frame *frames, uint32_t n, char *paths);

/* ---- Names of functions --------------------------------------------------------------------- */

/* Frames as text, one a line, to be freed; NULL: no memory. Slow, may block, takes a lock. */
char *yk__symbolize(const yk__crash_frame *frames, uint32_t n, const char *paths);

#endif
