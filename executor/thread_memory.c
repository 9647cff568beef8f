/* The memory of thread jobs, which a thread that submits them keeps for those that follow.
 *
 * The one who gives a job's future back last is mostly who submitted it, and submits the next; so
 * the memory that it has just read is the best for that one. Each thread that submits has lists of
 * its own, of blocks of two sizes: one for all but jobs with long arguments, and one for what a
 * chunk of a map takes. It frees them at its end.
 */
#include <pthread.h>
#include <stdlib.h>

#include "thread_pool.h"

enum { SMALL, LARGE, SIZES, NEITHER = SIZES };

#define LINES(size) (((size) + YK__CACHE_LINE - 1) / YK__CACHE_LINE * YK__CACHE_LINE)

static const struct {
    size_t bytes;
    unsigned kept; /* at most */
} sizes[SIZES] = { [SMALL] = { 512, 64 }, [LARGE] = { 4096, 16 } };

/* Where memory is watched for what is used after it was freed, it must be freed. */
#ifdef __SANITIZE_ADDRESS__
#define MAY_KEEP false
#else
#define MAY_KEEP true
#endif

typedef struct block {
    struct block *next;
} block;

static _Thread_local struct {
    struct {
        block *blocks;
        unsigned kept;
    } of[SIZES];
    bool submits; /* the lists will be freed at this thread's end */
} own;

static pthread_key_t at_end;
static bool has_key;

static void free_all(void *unused)
{
    (void)unused;
    own.submits = false;
    for (int size = 0; size < SIZES; size++) {
        while (own.of[size].blocks) {
            block *b = own.of[size].blocks;
            own.of[size].blocks = b->next;
            free(b);
        }
        own.of[size].kept = 0;
    }
}

static void make_key(void)
{
    has_key = pthread_key_create(&at_end, free_all) == 0;
}

static void begin_to_keep(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    own.submits = MAY_KEEP && has_key && pthread_setspecific(at_end, &own) == 0;
}

static thread_job *job_of(int size)
{
    block *b = own.of[size].blocks;
    if (b) {
        own.of[size].blocks = b->next;
        own.of[size].kept--;
        return (thread_job *)b;
    }
    if (!own.submits)
        begin_to_keep();
    return aligned_alloc(YK__CACHE_LINE, sizes[size].bytes);
}

thread_job *yk__thread_job_alloc(size_t len)
{
    size_t tail = len > sizeof((thread_job *)0)->small ? len : 0, bytes = sizeof(thread_job) + tail;
    int size = bytes <= sizes[SMALL].bytes ? SMALL : bytes <= sizes[LARGE].bytes ? LARGE : NEITHER;
    thread_job *job = size == NEITHER ? aligned_alloc(YK__CACHE_LINE, LINES(bytes)) : job_of(size);
    if (job)
        job->size = (uint8_t)size;
    return job;
}

void yk__thread_job_free(thread_job *job)
{
    int size = job->size;
    if (size == NEITHER || !own.submits || own.of[size].kept == sizes[size].kept) {
        free(job);
        return;
    }
    block *b = (block *)job;
    b->next = own.of[size].blocks;
    own.of[size].blocks = b;
    own.of[size].kept++;
}
