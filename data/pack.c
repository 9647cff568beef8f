/* data/pack.c - chunks of text into a plain, gzip or zstd file, packed by several threads.
 *
 * The caller fills chunks in turn; the helpers pack them in any order; the caller writes them in
 * order, when it comes round to a chunk's slot again. (Plain chunks are written by one helper,
 * which takes them in order: copying into the page cache costs as much as making them up.) A zstd
 * chunk is a frame of its own. The chunks of a gzip file are one member: each is deflated with the
 * 32 KiB before it as dictionary and ends at a byte (as pigz does), and their checksums are
 * combined. So the bytes do not depend on how many helpers there are.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <zlib.h>
#include <zstd.h>

#include "data/made_up.h"

#define THREADS_MAX 64
#define SLOTS_MAX   (THREADS_MAX + 2)
#define DICTIONARY  ((size_t)32768)

typedef enum slot_state { EMPTY, FILLED, PACKING, PACKED } slot_state;

typedef struct slot {
    slot_state state; /* under the lock; the rest of an EMPTY or PACKED slot is the
                         caller's, of a PACKING one its helper's */
    char *text, *packed;
    size_t text_size, packed_size, packed_room;
    char before[DICTIONARY]; /* gzip: the end of the chunk before */
    size_t before_size;
    bool last;
    uint32_t checksum;
    int err;
} slot;

struct yk__pack {
    int fd, level, failed;
    yk_packing packing;
    uint64_t stored, text;
    uint32_t checksum;
    slot slots[SLOTS_MAX];
    unsigned slot_count, turn; /* the slot being filled */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    pthread_t threads[THREADS_MAX];
    unsigned thread_count;
};

/* ---- one chunk ---- */

static int pack_zstd(slot *s, int level, ZSTD_CCtx **context)
{
    if (!*context)
        *context = ZSTD_createCCtx();
    if (!*context)
        return UV_ENOMEM;
    ZSTD_CCtx_setParameter(*context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(*context, ZSTD_c_checksumFlag, 1);
    size_t got = ZSTD_compress2(*context, s->packed, s->packed_room, s->text, s->text_size);
    if (ZSTD_isError(got))
        return UV_ENOMEM;
    s->packed_size = got;
    return 0;
}

static int pack_gzip(slot *s, int level)
{
    z_stream z = { 0 };
    s->packed_size = 0;
    if (deflateInit2(&z, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return UV_ENOMEM;
    if (s->before_size)
        deflateSetDictionary(&z, (Bytef *)s->before, (uInt)s->before_size);
    z.next_in = (Bytef *)s->text;
    z.avail_in = (uInt)s->text_size;
    z.next_out = (Bytef *)s->packed;
    z.avail_out = (uInt)s->packed_room;
    int got = deflate(&z, s->last ? Z_FINISH : Z_SYNC_FLUSH);
    s->packed_size = z.total_out;
    deflateEnd(&z);
    s->checksum = (uint32_t)crc32(0, (Bytef *)s->text, (uInt)s->text_size);
    return got == (s->last ? Z_STREAM_END : Z_OK) ? 0 : UV_ENOMEM;
}

static int write_all(int fd, const void *data, size_t size)
{
    const char *bytes = data;
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return uv_translate_sys_error(errno);
        bytes += put;
        size -= (size_t)put;
    }
    return 0;
}

static void pack_slot(const yk__pack *p, slot *s, ZSTD_CCtx **context)
{
    if (p->packing == YK_PLAIN) {
        s->err = write_all(p->fd, s->text, s->text_size);
        s->packed_size = s->text_size;
    } else {
        s->err = p->packing == YK_ZSTD ? pack_zstd(s, p->level, context) : pack_gzip(s, p->level);
    }
}

/* ---- the helpers ---- */

static slot *filled_slot(yk__pack *p)
{
    for (unsigned i = 0; i < p->slot_count; i++) { /* the oldest first */
        slot *s = &p->slots[(p->turn + i) % p->slot_count];
        if (s->state == FILLED)
            return s;
    }
    return NULL;
}

static void *help(void *arg)
{
    yk__pack *p = arg;
    ZSTD_CCtx *context = NULL;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        slot *s = filled_slot(p);
        if (!s) {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        s->state = PACKING;
        pthread_mutex_unlock(&p->lock);
        pack_slot(p, s, &context);
        pthread_mutex_lock(&p->lock);
        s->state = PACKED;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    ZSTD_freeCCtx(context);
    return NULL;
}

/* Signals are not for these threads. Where none can be had, the caller packs by itself. */
static void start_helpers(yk__pack *p, unsigned count)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (p->thread_count < count) {
        if (pthread_create(&p->threads[p->thread_count], NULL, help, p) != 0)
            break;
        pthread_setname_np(p->threads[p->thread_count++], "yk-pack");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- writing ---- */

static void write_packed(yk__pack *p, const void *data, size_t size)
{
    if (!p->failed)
        p->failed = write_all(p->fd, data, size);
    p->stored += size;
}

/* Waits until the slot is packed; where there is no helper, packs it. False if it is empty. */
static bool have_packed(yk__pack *p, slot *s)
{
    ZSTD_CCtx *context = NULL;
    pthread_mutex_lock(&p->lock);
    while (p->thread_count > 0 && (s->state == FILLED || s->state == PACKING))
        pthread_cond_wait(&p->changed, &p->lock);
    slot_state state = s->state;
    s->state = EMPTY; /* no helper will look at it */
    pthread_mutex_unlock(&p->lock);
    if (state == FILLED)
        pack_slot(p, s, &context);
    ZSTD_freeCCtx(context);
    return state != EMPTY;
}

/* Waits until the slot is packed, writes it, and leaves it empty. */
static void write_slot(yk__pack *p, slot *s)
{
    if (have_packed(p, s)) {
        p->failed = p->failed ? p->failed : s->err;
        if (p->packing == YK_PLAIN)
            p->stored += s->packed_size; /* written already */
        else
            write_packed(p, s->packed, s->packed_size);
        p->checksum = (uint32_t)crc32_combine(p->checksum, s->checksum, (z_off_t)s->text_size);
    }
    s->text_size = 0;
}

static void begin_gzip(yk__pack *p)
{
    static const uint8_t header[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255 };
    write_packed(p, header, sizeof header);
}

static void end_gzip(yk__pack *p)
{
    uint8_t trailer[8];
    for (int i = 0; i < 4; i++) {
        trailer[i] = (uint8_t)(p->checksum >> 8 * i);
        trailer[4 + i] = (uint8_t)(p->text >> 8 * i);
    }
    write_packed(p, trailer, sizeof trailer);
}

/* Gives the chunk away, and makes the next slot ready to be filled. */
static void submit(yk__pack *p, bool last)
{
    slot *s = &p->slots[p->turn];
    p->text += s->text_size;
    s->last = last;
    if (!last) {
        slot *next = &p->slots[(p->turn + 1) % p->slot_count];
        write_slot(p, next); /* what was packed in it a round ago */
        next->before_size = s->text_size < DICTIONARY ? s->text_size : DICTIONARY;
        memcpy(next->before, s->text + s->text_size - next->before_size, next->before_size);
    }
    pthread_mutex_lock(&p->lock);
    s->state = FILLED;
    p->turn = (p->turn + 1) % p->slot_count;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* ---- the calls ---- */

static int make_slots(yk__pack *p)
{
    size_t room = YK__CHUNK + YK__PACK_ROOM;
    for (unsigned i = 0; i < p->slot_count; i++) {
        slot *s = &p->slots[i];
        s->text = malloc(room);
        if (p->packing != YK_PLAIN) {
            s->packed_room = ZSTD_compressBound(room) + room / 1000 + 1024; /* deflate's bound */
            s->packed = malloc(s->packed_room);
        }
        if (!s->text || (p->packing != YK_PLAIN && !s->packed))
            return UV_ENOMEM;
    }
    return 0;
}

int yk__pack_new(yk__pack **pack, int fd, yk_packing packing, int level, int threads)
{
    yk__pack *p = calloc(1, sizeof *p);
    if (!p)
        return UV_ENOMEM;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    p->fd = fd;
    p->packing = packing;
    p->level = level;
    unsigned helpers = packing == YK_PLAIN ? 1 : (unsigned)threads;
    p->slot_count = helpers + 2;
    if (make_slots(p) < 0) {
        yk__pack_free(p);
        return UV_ENOMEM;
    }
    start_helpers(p, helpers);
    if (packing == YK_GZIP)
        begin_gzip(p);
    *pack = p;
    return 0;
}

char *yk__pack_room(yk__pack *pack)
{
    slot *s = &pack->slots[pack->turn];
    return pack->failed ? NULL : s->text + s->text_size;
}

void yk__pack_wrote(yk__pack *pack, size_t size)
{
    slot *s = &pack->slots[pack->turn];
    s->text_size += size;
    if (s->text_size >= YK__CHUNK)
        submit(pack, false);
}

int yk__pack_finish(yk__pack *pack)
{
    submit(pack, true);
    for (unsigned i = 0; i < pack->slot_count; i++)
        write_slot(pack, &pack->slots[(pack->turn + i) % pack->slot_count]);
    if (pack->packing == YK_GZIP)
        end_gzip(pack);
    return pack->failed;
}

uint64_t yk__pack_stored(const yk__pack *pack)
{
    return pack->stored;
}

void yk__pack_free(yk__pack *pack)
{
    if (!pack)
        return;
    pthread_mutex_lock(&pack->lock);
    pack->stop = true;
    pthread_cond_broadcast(&pack->changed);
    pthread_mutex_unlock(&pack->lock);
    for (unsigned i = 0; i < pack->thread_count; i++)
        pthread_join(pack->threads[i], NULL);
    for (unsigned i = 0; i < pack->slot_count; i++) {
        free(pack->slots[i].text);
        free(pack->slots[i].packed);
    }
    pthread_mutex_destroy(&pack->lock);
    pthread_cond_destroy(&pack->changed);
    free(pack);
}
