/* mapreduce/writer.h - what a sink writes to. Not installed. */
#ifndef YOKE_MAPREDUCE_WRITER_H
#define YOKE_MAPREDUCE_WRITER_H

#include "../executor/job.h"
#include "output.h"
#include "sink.h"
#include "table.h"

struct yk_writer {
    yk__output *out;
    const yk_job *job; /* asked whether to stop; may be NULL */
    yk__form form;     /* of the values that are written */
    int err;           /* the first error; nothing is written after it */
    size_t len;
    char buffer[64 * 1024];
};

/* Writes what is in the buffer; the writer's error. */
int yk__writer_flush(yk_writer *w);

#endif
