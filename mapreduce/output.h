/* mapreduce/output.h - the file that a result goes to. Not installed.
 *
 *   1. yk__output_open()     before any work: what cannot be written is said now
 *   2. yk__output_write()
 *   3. yk__output_commit()   the file has its name now, or
 *      yk__output_abandon()  nothing is left (also after a failed commit)
 */
#ifndef YOKE_MAPREDUCE_OUTPUT_H
#define YOKE_MAPREDUCE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "../executor/job.h"

typedef struct yk__output {
    int fd;
    bool direct;    /* written to as it is: standard output, a device, a FIFO */
    bool borrowed;  /* the descriptor is not ours to close */
    bool paced;     /* a write may block, so it is done in pieces for which there is room */
    bool in_memory; /* there is no file */
    bool durable;   /* a commit returns when it is on the disk; for the caller to set */
    mode_t mode;    /* what the file is to have, 0: as it was made */
    char *target;   /* where it is to be, symbolic links resolved */
    char *temp;     /* its name until then; NULL: it has none yet */
    struct stat st; /* of what is open, or of the file that will be replaced; st_ino 0: none */
    char *memory;   /* what was written there */
    size_t len, room;
} yk__output;

/* Opens `path` (NULL or "-": standard output) without touching what is there. A FIFO without a
 * reader is waited for, cancellably. Errors: UV_E... */
int yk__output_open(yk__output *out, const char *path);

/* What is written stays in out->memory, out->len bytes of it, until the output is abandoned. */
void yk__output_open_memory(yk__output *out);

/* Writes all. `job`, if there is one, is asked whether to stop. */
int yk__output_write(yk__output *out, const char *bytes, size_t len, const yk_job *job);

/* Gives it its name and closes it. */
int yk__output_commit(yk__output *out);

/* Closes it and takes everything away again. Does nothing after a commit of a file. */
void yk__output_abandon(yk__output *out);

#endif
