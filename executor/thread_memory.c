/* The memory of thread jobs, which a thread that submits them keeps for those that follow.
 *
 * The one who gives a job's future back last is mostly who submitted it, and submits the next; so
 * the memory that it has just read is the best for that one. Each thread that submits has a list of
 * its own, of blocks that hold all but jobs with long arguments, and frees it at its end.
 */
#include <pthread.h>
#include <stdlib.h>

#include "thread_pool.h"

#define BLOCK       512 /* bytes */
#define KEPT        64  /* blocks, at most */
#define LINES(size) (((size) + YK__CACHE_LINE - 1) / YK__CACHE_LINE * YK__CACHE_LINE)

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
    block *blocks;
    unsigned kept;
    bool submits; /* the list will be freed at this thread's end */
} own;

static pthread_key_t at_end;
static bool has_key;

static void free_all(void *unused)
{
    (void)unused;
    own.submits = false;
    while (own.blocks) {
        block *b = own.blocks;
        own.blocks = b->next;
        free(b);
    }
    own.kept = 0;
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

thread_job *yk__thread_job_alloc(size_t len)
{
    size_t tail = len > sizeof((thread_job *)0)->small ? len : 0;
    thread_job *job;
    if (sizeof *job + tail > BLOCK) {
        job = aligned_alloc(YK__CACHE_LINE, LINES(sizeof *job + tail));
        if (job)
            job->keep = false;
        return job;
    }
    block *b = own.blocks;
    if (b) {
        own.blocks = b->next;
        own.kept--;
        job = (thread_job *)b;
    } else {
        if (!own.submits)
            begin_to_keep();
        job = aligned_alloc(YK__CACHE_LINE, BLOCK);
    }
    if (job)
        job->keep = true;
    return job;
}

void yk__thread_job_free(thread_job *job)
{
    if (!job->keep || !own.submits || own.kept == KEPT) {
        free(job);
        return;
    }
    block *b = (block *)job;
    b->next = own.blocks;
    own.blocks = b;
    own.kept++;
}
