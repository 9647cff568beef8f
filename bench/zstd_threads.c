/* bench/zstd_threads.c - the least that a zstd file costs: threads decompress all frames and throw
 * the text away. What `ngram top FILE.zst` is measured against.
 *
 *   bench_zstd_threads FILE.zst [THREADS]        prints the bytes of text
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { MOST_THREADS = 64, AHEAD = 8 << 20 };

typedef struct frames {
    int fd;
    size_t n;
    struct {
        off_t at;
        size_t stored, text;
    } * frame;
    _Atomic size_t next; /* any thread takes the next one; relaxed: it orders nothing else */
    _Atomic size_t text; /* relaxed: a sum */
} frames;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Finds where the frames are, reading the file once through a window. */
static void find_frames(frames *f, off_t size)
{
    char *window = malloc(AHEAD);
    size_t cap = 0;
    for (off_t at = 0; at < size;) {
        ssize_t have = pread(f->fd, window, AHEAD, at);
        if (have <= 0)
            die("read");
        for (size_t in = 0; at < size;) {
            size_t stored = ZSTD_findFrameCompressedSize(window + in, (size_t)have - in);
            if (ZSTD_isError(stored)) {
                if (in == 0)
                    die("a frame larger than 8 MiB, or damage");
                break;
            }
            if (f->n == cap &&
                !(f->frame = realloc(f->frame, (cap = cap * 2 + 64) * sizeof *f->frame)))
                die("memory");
            unsigned long long text = ZSTD_getFrameContentSize(window + in, (size_t)have - in);
            f->frame[f->n].at = at;
            f->frame[f->n].stored = stored;
            f->frame[f->n++].text = text == ZSTD_CONTENTSIZE_UNKNOWN ? 4 << 20 : (size_t)text;
            in += stored;
            at += (off_t)stored;
            if (in == (size_t)have)
                break;
        }
    }
    free(window);
}

static void *reserve(void *buffer, size_t *cap, size_t size)
{
    if (size <= *cap)
        return buffer;
    *cap = size;
    buffer = realloc(buffer, size);
    if (!buffer)
        die("memory");
    return buffer;
}

static void *decompress(void *arg)
{
    frames *f = arg;
    ZSTD_DCtx *context = ZSTD_createDCtx();
    void *in = NULL, *out = NULL;
    size_t in_cap = 0, out_cap = 0, i;
    while ((i = atomic_fetch_add_explicit(&f->next, 1, memory_order_relaxed)) < f->n) {
        in = reserve(in, &in_cap, f->frame[i].stored);
        out = reserve(out, &out_cap, f->frame[i].text);
        if (pread(f->fd, in, f->frame[i].stored, f->frame[i].at) != (ssize_t)f->frame[i].stored)
            die("read");
        size_t n = ZSTD_decompressDCtx(context, out, out_cap, in, f->frame[i].stored);
        if (ZSTD_isError(n))
            die(ZSTD_getErrorName(n));
        atomic_fetch_add_explicit(&f->text, n, memory_order_relaxed);
    }
    ZSTD_freeDCtx(context);
    free(in);
    free(out);
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 2 ? atoi(argv[2]) : 2;
    if (argc < 2 || threads < 1 || threads > MOST_THREADS) {
        fputs("usage: bench_zstd_threads FILE.zst [THREADS]\n", stderr);
        return 2;
    }
    frames f = { .fd = open(argv[1], O_RDONLY | O_CLOEXEC) };
    struct stat st;
    if (f.fd < 0 || fstat(f.fd, &st) != 0)
        die(argv[1]);
    find_frames(&f, st.st_size);
    pthread_t thread[MOST_THREADS];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, decompress, &f) != 0)
            die("thread");
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    printf("%zu\n", f.text);
    free(f.frame);
    return 0;
}
