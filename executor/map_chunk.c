/* Chunks: how inputs travel together, are run one by one, and how their results come back.
 *
 * Both ways it is a head of 16 bytes, and behind it either a row of values of one size, without
 * anything between them: what tiny jobs cost is what they move from one CPU's cache to another's.
 * Or, where they differ, or one is an error, records: each a head of 16 bytes and its data, padded
 * to 16. Either way data is aligned for any type of its size.
 */
#include "map_chunk.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "internal.h"

#define ALIGN 16u

/* Of a row: `each` bytes are one value, and the next begins after `step`. Step 0: records. */
struct head {
    yk_job_fn fn; /* of inputs */
    uint32_t each, step;
};

struct record {
    uint64_t len;
    int32_t code;
    uint32_t unused;
};

_Static_assert(sizeof(struct head) == ALIGN && sizeof(struct record) == ALIGN, "alignment");

static size_t padded(size_t len)
{
    return (len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* No type of this size is aligned to more than it. 0: such values are not put in a row. */
static uint32_t step_of(size_t len)
{
    size_t step = 1;
    if (len == 0 || len > 4096)
        return 0;
    while (step < len && step < ALIGN)
        step *= 2;
    return (uint32_t)(len > ALIGN ? padded(len) : step);
}

/* ---- Packing -------------------------------------------------------------------------------- */

static int make_room(yk__pack *pack, size_t need)
{
    size_t cap = need < 2048 ? 4096 : 2 * need;
    unsigned char *bytes = realloc(pack->bytes, cap);
    if (!bytes)
        return UV_ENOMEM;
    pack->bytes = bytes;
    pack->cap = cap;
    return 0;
}

static int begin(yk__pack *pack, yk_job_fn fn)
{
    if (pack->cap < ALIGN && make_room(pack, ALIGN))
        return UV_ENOMEM;
    memcpy(pack->bytes, &(struct head){ .fn = fn }, ALIGN);
    pack->len = ALIGN;
    pack->n = pack->each = pack->step = 0;
    return 0;
}

static int add_record(yk__pack *pack, int code, const void *data, size_t len)
{
    size_t room = padded(len);
    if (room < len || room > SIZE_MAX / 4 || pack->len > SIZE_MAX / 4)
        return UV_ENOMEM;
    size_t need = pack->len + ALIGN + room;
    if (need > pack->cap && make_room(pack, need))
        return UV_ENOMEM;
    unsigned char *at = pack->bytes + pack->len;
    memcpy(at, &(struct record){ .len = len, .code = code }, ALIGN);
    if (len > 0) {
        memset(at + room, 0, ALIGN); /* what pads it lies in the last of these */
        memcpy(at + ALIGN, data, len);
    }
    pack->len = need;
    return 0;
}

/* Makes records of a row. */
static int loosen(yk__pack *pack)
{
    struct head head;
    memcpy(&head, pack->bytes, ALIGN);
    yk__pack loose = { 0 };
    int err = begin(&loose, head.fn);
    for (size_t i = 0; !err && i < pack->n; i++)
        err = add_record(&loose, 0, pack->bytes + ALIGN + i * pack->step, pack->each);
    if (err) {
        free(loose.bytes);
        return err;
    }
    free(pack->bytes);
    loose.n = pack->n;
    *pack = loose;
    return 0;
}

static void begin_row(yk__pack *pack, size_t len)
{
    struct head head;
    pack->step = step_of(len);
    pack->each = pack->step ? len : 0;
    memcpy(&head, pack->bytes, ALIGN);
    head.each = (uint32_t)pack->each;
    head.step = (uint32_t)pack->step;
    memcpy(pack->bytes, &head, ALIGN);
}

/* The caller has room. */
static inline void add_to_row(yk__pack *pack, const void *data, size_t len)
{
    unsigned char *at = pack->bytes + pack->len;
    if (len == sizeof(uint64_t)) /* most often */
        memcpy(at, data, sizeof(uint64_t));
    else
        memcpy(at, data, len);
    if (pack->step > len)
        memset(at + len, 0, pack->step - len);
    pack->len += pack->step;
    pack->n++;
}

static int add_unlike(yk__pack *pack, int code, const void *data, size_t len)
{
    int err = 0;
    if (pack->n == 0 && code == 0)
        begin_row(pack, len);
    if (pack->step && (len != pack->each || code))
        err = loosen(pack);
    if (err)
        return err;
    if (pack->step) {
        err = pack->len + pack->step > pack->cap ? make_room(pack, pack->len + pack->step) : 0;
        if (!err)
            add_to_row(pack, data, len);
        return err;
    }
    err = add_record(pack, code, data, len);
    pack->n += !err;
    return err;
}

static inline int add(yk__pack *pack, int code, const void *data, size_t len)
{
    if (code || len != pack->each || !pack->step || pack->cap - pack->len < pack->step)
        return add_unlike(pack, code, data, len);
    add_to_row(pack, data, len);
    return 0;
}

int yk__pack_begin(yk__pack *pack, yk_job_fn fn)
{
    return begin(pack, fn);
}

int yk__pack_input(yk__pack *pack, const void *input, size_t len)
{
    return add(pack, 0, input, len);
}

/* ---- Unpacking ------------------------------------------------------------------------------ */

/* Once: a worker may change what it gave at any moment. */
static void read_head(void *head, const unsigned char *at)
{
    memcpy(head, at, ALIGN);
    __asm__ volatile("" ::: "memory"); /* what was read is not read again */
}

int yk__unpack_begin(yk__unpack *u, const void *packed, size_t len)
{
    struct head head;
    if (len < ALIGN)
        return YK_EFORMAT;
    read_head(&head, packed);
    if (head.step ? head.each == 0 || head.each > head.step : head.each != 0)
        return YK_EFORMAT;
    *u = (yk__unpack){ packed, len, ALIGN, head.each, head.step };
    return 0;
}

int yk__unpack_record(yk__unpack *u, yk__chunk_result *result)
{
    struct record head;
    size_t left = u->len - u->at;
    if (left < ALIGN)
        return YK_EFORMAT;
    read_head(&head, u->bytes + u->at);
    const unsigned char *data = u->bytes + u->at + ALIGN;
    left -= ALIGN;
    if (head.code > 0 || head.len > left || padded(head.len) > left)
        return YK_EFORMAT;
    if (head.code < 0 && (head.len == 0 || data[head.len - 1] != '\0'))
        return YK_EFORMAT;
    u->at += ALIGN + padded(head.len);
    *result = (yk__chunk_result){ head.code, data, head.len };
    return 0;
}

/* ---- In the worker -------------------------------------------------------------------------- */

static inline int pack_outcome(yk__pack *results, const yk_job *job, int code)
{
    if (code == 0)
        return add(results, 0, job->result, job->result_len);
    const char *message = job->message[0] ? job->message : yk_strerror(code);
    return add(results, code, message, strlen(message) + 1);
}

/* The job's own inputs and results go through the running job itself, one after the other, so that
 * whatever a job can ask about itself is answered as ever. */
static int run_each(yk_job *job, yk__unpack *inputs, yk_job_fn fn, yk__pack *results)
{
    yk__chunk_result input;
    while (inputs->at < inputs->len) {
        int err = yk__unpack_next(inputs, &input);
        if (err)
            return err;
        job->arg = (void *)(uintptr_t)input.data;
        job->arg_len = input.len;
        job->result_len = 0;
        job->message[0] = '\0';
        if (yk_job_cancelled(job))
            return YK_ECANCELED;
        err = pack_outcome(results, job, yk__job_run(job, fn));
        if (err)
            return err;
    }
    job->message[0] = '\0';
    return 0;
}

int yk__map_chunk_job(yk_job *job)
{
    void *chunk = job->arg;
    size_t len = job->arg_len;
    yk__unpack inputs;
    yk__pack results = { 0 };
    int err = yk__unpack_begin(&inputs, chunk, len);
    if (!err)
        err = begin(&results, NULL);
    if (!err)
        err = run_each(job, &inputs, ((const struct head *)chunk)->fn, &results);
    job->arg = chunk;
    job->arg_len = len;
    if (!err)
        err = yk_job_return(job, results.bytes, results.len);
    free(results.bytes);
    return err;
}
