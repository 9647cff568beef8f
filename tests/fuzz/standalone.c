/* tests/fuzz/standalone.c - runs a fuzz target where there is no libFuzzer: over files, and over
 * random changes of them.
 *
 *   fuzz_NAME [-runs=N] [-seed=N] [-seconds=N] FILE-OR-FOLDER...
 *
 * Every input given is run as it is; then N more inputs (or for so many seconds) that were made of
 * them. Before a changed input is run it is written to a file, which is removed after the last: if
 * the program dies, that file is the input that killed it, and its name is on standard error. An
 * input that takes longer than ten seconds kills it, too.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define MAX_SIZE    4096
#define MAX_INPUTS  4096
#define MAX_SECONDS 10u

struct bytes {
    uint8_t *data;
    size_t size;
};

static struct bytes inputs[MAX_INPUTS];
static size_t n_inputs;
static uint64_t state;
static char saved[128];

/* ---- Inputs --------------------------------------------------------------------------------- */

static void add_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(MAX_SIZE);
    require(file && data);
    size_t size = fread(data, 1, MAX_SIZE, file);
    fclose(file);
    require(n_inputs < MAX_INPUTS);
    inputs[n_inputs++] = (struct bytes){ data, size };
}

static void add(const char *path)
{
    struct stat st;
    if (stat(path, &st)) {
        fprintf(stderr, "%s: there is no such file\n", path);
        exit(2);
    }
    if (!S_ISDIR(st.st_mode)) {
        add_file(path);
        return;
    }
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char full[1024];
        snprintf(full, sizeof full, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            add_file(full);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

/* ---- Changes -------------------------------------------------------------------------------- */

/* xorshift64*, Vigna, "An experimental exploration of Marsaglia's xorshift generators". */
static uint64_t random64(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 2685821657736338717u;
}

static size_t below(size_t n)
{
    return n ? (size_t)(random64() % n) : 0;
}

/* Puts a piece of another input, or random bytes, in the place of some of these. */
static void put_piece(struct bytes *b)
{
    uint8_t random[16];
    for (size_t i = 0; i < sizeof random; i++)
        random[i] = (uint8_t)random64();
    struct bytes from = { random, 1 + below(sizeof random) };
    if (n_inputs && below(2)) {
        from = inputs[below(n_inputs)];
        size_t skip = below(from.size);
        from.data += skip;
        from.size = below(from.size - skip + 1);
    }
    size_t at = below(b->size + 1), cut = below(2) ? from.size : below(8);
    cut = cut < b->size - at ? cut : b->size - at;
    if (b->size - cut + from.size > MAX_SIZE)
        return;
    memmove(b->data + at + from.size, b->data + at + cut, b->size - at - cut);
    memcpy(b->data + at, from.data, from.size);
    b->size = b->size - cut + from.size;
}

static void change(struct bytes *b)
{
    for (size_t n = 1 + below(6); n > 0; n--) {
        if (b->size > 0 && below(2))
            b->data[below(b->size)] = (uint8_t)(below(2) ? random64() : 1u << below(8));
        else
            put_piece(b);
    }
}

/* ---- Runs ----------------------------------------------------------------------------------- */

static void took_too_long(int sig)
{
    (void)sig;
    static const char text[] = "the input takes too long: ";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    (void)!write(STDERR_FILENO, saved, strlen(saved));
    (void)!write(STDERR_FILENO, "\n", 1);
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void died(int sig)
{
    static const char text[] = "the input that did it: ";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    (void)!write(STDERR_FILENO, saved, strlen(saved));
    (void)!write(STDERR_FILENO, "\n", 1);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void run(int fd, const struct bytes *b)
{
    require(pwrite(fd, b->data, b->size, 0) == (ssize_t)b->size);
    require(ftruncate(fd, (off_t)b->size) == 0);
    uint8_t *exact = malloc(b->size ? b->size : 1); /* ends where the memory does */
    require(exact);
    memcpy(exact, b->data, b->size);
    alarm(MAX_SECONDS);
    LLVMFuzzerTestOneInput(exact, b->size);
    alarm(0);
    free(exact);
}

static uint64_t seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec;
}

static uint64_t run_changed(int fd, uint64_t runs, uint64_t seconds)
{
    uint8_t data[MAX_SIZE];
    uint64_t end = seconds_now() + seconds, done = 0;
    while (seconds ? seconds_now() < end : done < runs) {
        struct bytes b = { data, 0 };
        if (n_inputs) {
            const struct bytes *from = &inputs[below(n_inputs)];
            memcpy(data, from->data, from->size);
            b.size = from->size;
        }
        change(&b);
        run(fd, &b);
        done++;
    }
    return done;
}

static int open_saved(void)
{
    const char *folder = getenv("TMPDIR");
    snprintf(saved, sizeof saved, "%.90s/fuzz-input-XXXXXX", folder ? folder : "/tmp");
    int fd = mkostemp(saved, O_CLOEXEC);
    require(fd >= 0);
    static const int deaths[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL };
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++)
        signal(deaths[i], died);
    signal(SIGALRM, took_too_long);
    return fd;
}

int main(int argc, char **argv)
{
    uint64_t runs = 0, seed = (uint64_t)time(NULL), seconds = 0;
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        if (sscanf(argv[i], "-runs=%" SCNu64, &runs) != 1 &&
            sscanf(argv[i], "-seed=%" SCNu64, &seed) != 1 &&
            sscanf(argv[i], "-seconds=%" SCNu64, &seconds) != 1)
            add(argv[i]);
    state = seed * 2 + 1;
    int fd = open_saved();
    for (size_t i = 0; i < n_inputs; i++)
        run(fd, &inputs[i]);
    uint64_t done = run_changed(fd, runs, seconds);
    close(fd);
    unlink(saved);
    printf("seed %" PRIu64 ": %zu inputs and %" PRIu64 " made of them: nothing found\n", seed,
           n_inputs, done);
    for (size_t i = 0; i < n_inputs; i++)
        free(inputs[i].data);
    return 0;
}
