/* data/packer.c - chunks of text, packed by the helpers of a pipeline and written in order.
 *
 * A zstd chunk is a frame of its own. The chunks of a gzip file are one member: each is deflated
 * with the 32 KiB before it as dictionary and ends at a byte (as pigz does), and their checksums
 * are combined. Plain chunks are written by a helper: copying into the page cache costs as much as
 * making them up.
 */
#include "data/packer.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <zlib.h>
#include <zstd.h>

#include "data/pipeline.h"
#include "data/seek_table.h"
#include "executor/error.h"

#define DICTIONARY ((size_t)32768)
#define WINDOW_LOG 27 /* YK__CHUNK_MAX */

/* What a slot has beside its text and what was packed of it. */
typedef struct extra {
    char before[DICTIONARY]; /* gzip: the end of the chunk before */
    size_t before_size;
    bool last;
    uint32_t checksum; /* gzip */
    uint64_t rows;
} extra;

struct yk__packer {
    yk__packer_options o;
    yk__pipeline *pipeline;
    size_t searched; /* the slot's text has no LF before this */
    bool begun;      /* a chunk was given away */
    bool no_memory;
    yk__packed sum;
    uint32_t checksum; /* gzip */
    yk__seek_list frames;
};

/* ---- one chunk ---- */

static void free_context(void *context)
{
    ZSTD_freeCCtx(context);
}

static int pack_zstd(const yk__packer_options *o, yk__pipe_slot *s, void **state)
{
    if (!*state)
        *state = ZSTD_createCCtx();
    ZSTD_CCtx *context = *state;
    if (!context || yk__buffer_reserve(&s->out, ZSTD_compressBound(s->in.len)))
        return UV_ENOMEM;
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, o->level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    if (o->far) {
        ZSTD_CCtx_setParameter(context, ZSTD_c_enableLongDistanceMatching, 1);
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, WINDOW_LOG);
    }
    size_t got = ZSTD_compress2(context, s->out.at, s->out.cap, s->in.at, s->in.len);
    if (ZSTD_isError(got))
        return UV_ENOMEM;
    s->out.len = got;
    return 0;
}

static int pack_gzip(const yk__packer_options *o, yk__pipe_slot *s)
{
    z_stream z = { 0 };
    extra *x = s->extra;
    size_t room = compressBound(s->in.len) + 64; /* a flush needs a few bytes more */
    if (yk__buffer_reserve(&s->out, room) ||
        deflateInit2(&z, o->level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return UV_ENOMEM;
    if (x->before_size)
        deflateSetDictionary(&z, (Bytef *)x->before, (uInt)x->before_size);
    z.next_in = (Bytef *)(s->in.len ? s->in.at : "");
    z.avail_in = (uInt)s->in.len;
    z.next_out = (Bytef *)s->out.at;
    z.avail_out = (uInt)s->out.cap;
    int got = deflate(&z, x->last ? Z_FINISH : Z_SYNC_FLUSH);
    s->out.len = z.total_out;
    deflateEnd(&z);
    x->checksum = (uint32_t)crc32(0, (Bytef *)s->in.at, (uInt)s->in.len);
    return got == (x->last ? Z_STREAM_END : Z_OK) ? 0 : UV_ENOMEM;
}

static int work(yk__pipe_slot *s, void **state, void *arg)
{
    const yk__packer *p = arg;
    extra *x = s->extra;
    const char *end = s->in.at + s->in.len;
    x->rows = yk_count_lines(s->in.at, end) + (s->in.len && end[-1] != '\n');
    switch (p->o.packing) {
    case YK_ZSTD:
        return pack_zstd(&p->o, s, state);
    case YK_GZIP:
        return pack_gzip(&p->o, s);
    default:
        return s->in.len ? p->o.write(p->o.arg, s->in.at, s->in.len) : 0;
    }
}

/* ---- writing ---- */

static int write_packed(yk__packer *p, const void *bytes, size_t size)
{
    p->sum.stored += size;
    return p->o.write(p->o.arg, bytes, size);
}

/* The checksum at a frame's end is the one that the seek table wants. */
static int note_frame(yk__packer *p, const yk__pipe_slot *s)
{
    yk__seek_entry entry = { (uint32_t)s->out.len, (uint32_t)s->in.len, 0 };
    for (int i = 0; i < 4; i++)
        entry.checksum |= (uint32_t)(uint8_t)s->out.at[s->out.len - 4 + (size_t)i] << 8 * i;
    return yk__seek_list_add(&p->frames, &entry);
}

static int take(yk__pipe_slot *s, void *arg)
{
    yk__packer *p = arg;
    const extra *x = s->extra;
    p->sum.text += s->in.len;
    p->sum.rows += x->rows;
    p->sum.chunks++;
    if (p->o.packing == YK_PLAIN) {
        p->sum.stored += s->in.len; /* written already */
        return 0;
    }
    p->checksum = (uint32_t)crc32_combine(p->checksum, x->checksum, (z_off_t)s->in.len);
    int err = p->o.packing == YK_ZSTD ? note_frame(p, s) : 0;
    return err ? err : write_packed(p, s->out.at, s->out.len);
}

static int begin_gzip(yk__packer *p)
{
    static const uint8_t header[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255 };
    return write_packed(p, header, sizeof header);
}

static int end_gzip(yk__packer *p)
{
    uint8_t trailer[8];
    for (int i = 0; i < 4; i++) {
        trailer[i] = (uint8_t)(p->checksum >> 8 * i);
        trailer[4 + i] = (uint8_t)(p->sum.text >> 8 * i);
    }
    return write_packed(p, trailer, sizeof trailer);
}

static int end_zstd(yk__packer *p)
{
    yk__buffer table = { 0 };
    int err = yk__seek_list_write(&p->frames, &table);
    if (!err)
        err = write_packed(p, table.at, table.len);
    free(table.at);
    return err;
}

/* ---- cutting ---- */

/* Gives away the first `size` bytes of the slot; the rest begins the next chunk. */
static int submit(yk__packer *p, size_t size, bool last)
{
    const yk__pipe_slot *s = yk__pipeline_slot(p->pipeline);
    extra *x = s->extra;
    char before[DICTIONARY];
    size_t before_size = p->o.packing != YK_GZIP ? 0 : size < DICTIONARY ? size : DICTIONARY;
    if (before_size)
        memcpy(before, s->in.at + size - before_size, before_size);
    x->last = last;
    p->begun = true;
    p->searched = 0;
    int err = yk__pipeline_submit_first(p->pipeline, size);
    x = yk__pipeline_slot(p->pipeline)->extra;
    x->before_size = before_size;
    if (before_size)
        memcpy(x->before, before, before_size);
    return err;
}

/* Where the first LF from the back is in [from, end); -1: there is none. */
static ssize_t last_line_end(const char *text, size_t from, size_t end)
{
    const char *lf = memrchr(text + from, '\n', end - from);
    return lf ? lf - text : -1;
}

/* ---- the calls ---- */

int yk__packer_new(yk__packer **packer, const yk__packer_options *options)
{
    yk__packer *p = calloc(1, sizeof *p);
    if (!p)
        return UV_ENOMEM;
    p->o = *options;
    p->o.chunk = options->chunk ? options->chunk : YK__CHUNK;
    p->o.level = options->level ? options->level : options->packing == YK_GZIP ? 6 : 3;
    int err = yk__pipeline_new(
        &p->pipeline, &(yk__pipeline_options){
                          .name = "yk-pack",
                          .threads = options->packing == YK_PLAIN ? 1 : (unsigned)options->threads,
                          .extra_size = sizeof(extra),
                          .work = work,
                          .free_state = free_context,
                          .take = take,
                          .arg = p });
    if (!err && options->packing == YK_GZIP)
        err = begin_gzip(p);
    if (err) {
        yk__packer_free(p);
        return err;
    }
    *packer = p;
    return 0;
}

char *yk__packer_room(yk__packer *p, size_t least)
{
    yk__buffer *in = &yk__pipeline_slot(p->pipeline)->in;
    size_t usual = p->o.chunk + p->o.chunk / 4;
    if (yk__pipeline_failed(p->pipeline))
        return NULL;
    if (least < usual - in->len && in->len < usual)
        least = usual - in->len;
    p->no_memory |= yk__buffer_reserve(in, least) != 0;
    return p->no_memory ? NULL : in->at + in->len;
}

size_t yk__packer_wanted(yk__packer *p)
{
    size_t have = yk__pipeline_slot(p->pipeline)->in.len;
    return have < p->o.chunk ? p->o.chunk - have : p->o.chunk;
}

int yk__packer_wrote(yk__packer *p, size_t size)
{
    yk__buffer *in = &yk__pipeline_slot(p->pipeline)->in;
    in->len += size;
    if (in->len < p->o.chunk)
        return yk__pipeline_failed(p->pipeline);
    ssize_t lf = last_line_end(in->at, p->searched, in->len);
    p->searched = in->len;
    if (lf >= 0)
        return submit(p, (size_t)lf + 1, false);
    return in->len > YK_RECORD_MAX ? YK_EFORMAT : yk__pipeline_failed(p->pipeline);
}

int yk__packer_finish(yk__packer *p, yk__packed *packed)
{
    int err = p->no_memory ? UV_ENOMEM : 0;
    if (!err &&
        (p->o.packing == YK_GZIP || yk__pipeline_slot(p->pipeline)->in.len > 0 || !p->begun))
        err = submit(p, yk__pipeline_slot(p->pipeline)->in.len, true);
    int failed = yk__pipeline_finish(p->pipeline);
    err = failed ? failed : err;
    if (!err && p->o.packing == YK_GZIP)
        err = end_gzip(p);
    if (!err && p->o.packing == YK_ZSTD)
        err = end_zstd(p);
    if (!err && packed)
        *packed = p->sum;
    return err;
}

void yk__packer_free(yk__packer *p)
{
    if (!p)
        return;
    yk__pipeline_free(p->pipeline);
    free(p->frames.entries);
    free(p);
}
