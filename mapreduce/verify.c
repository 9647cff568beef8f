/* mapreduce/verify.c - is it the record that is bad, or the packing?
 *
 * Damaged gzip data can go on as rubbish for a while before its checksum tells. So when a record of
 * a packed file is malformed, the file (of zstd: the piece) is read once more to its end before
 * the record is blamed. A pipe cannot be read again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "engine.h"

typedef struct verifier {
    const yk__file *file;
    const yk_range *range; /* NULL: the whole file */
    yk__flaw flaw;         /* the damage, if there is any */
} verifier;

static void note_damage(verifier *v, int code, const char *message)
{
    if (code != YK_ECORRUPT && code != YK_ETRUNCATED)
        return;
    v->flaw.code = code;
    snprintf(v->flaw.reason, sizeof v->flaw.reason, "%s", message);
}

static int read_range(verifier *v, const yk_job *job)
{
    yk_blocks *blocks = yk_blocks_new();
    if (!blocks)
        return UV_ENOMEM;
    yk_block block;
    int got = yk_blocks_open(blocks, v->file->path, v->range);
    if (got == 0)
        while ((got = yk_blocks_next(blocks, &block)) > 0 && !yk_job_cancelled(job))
            ;
    note_damage(v, got, yk_blocks_error(blocks));
    yk_blocks_free(blocks);
    return 0;
}

static int read_all(verifier *v, const yk_job *job)
{
    enum { SIZE = 1 << 18 };
    char *buffer = malloc(SIZE);
    yk_reader *reader = NULL;
    int64_t got = UV_ENOMEM;
    if (buffer && v->file->input)
        got = yk_reader_open_fd(&reader, yk_input_fd(v->file->input), v->file->name);
    else if (buffer)
        got = yk_reader_open(&reader, v->file->path);
    if (got == 0) {
        while ((got = yk_reader_read(reader, buffer, SIZE)) > 0 && !yk_job_cancelled(job))
            ;
        note_damage(v, got < 0 ? (int)got : 0, yk_reader_error(reader));
        yk_reader_close(reader);
    }
    free(buffer);
    return 0;
}

static int verify_job(yk_job *job)
{
    verifier *v = *(verifier **)yk_job_arg(job);
    return v->range ? read_range(v, job) : read_all(v, job);
}

void yk__verify_failure(yk__engine *e)
{
    yk__file *f = &e->files[e->limit.file];
    if (!e->flaw.has_place || !f->about.regular || f->about.packing == YK_PLAIN)
        return;
    verifier v = { .file = f, .range = f->is_stream ? NULL : &f->ranges[e->limit.piece] };
    verifier *arg = &v;
    yk_future *job =
        yk_submit_with(e->io, verify_job, &arg, sizeof arg, .kind = YK_BLOCKING, .name = "verify");
    yk__await_end(e, job);
    yk_future_unref(job);
    if (v.flaw.code)
        e->flaw = v.flaw;
}
