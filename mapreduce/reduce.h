/* yoke/mapreduce/reduce.h - all values of one key, together.
 *
 * Where two values cannot be folded into one of the same size (a list of places, the ten largest),
 * a job has a reduce function instead of a fold. Its map function emits bytes of any length, and
 * reduce is called once for every key, with all its values in the order of the input:
 *
 *   static int list_places(yk_str word, yk_values *places, yk_emitter *out, void *arg)
 *   {
 *       struct list list = { 0 };
 *       for (yk_str place; yk_values_next(places, &place);)
 *           append(&list, place);
 *       return yk_emit_bytes(out, word, (yk_str){ list.at, list.len });
 *   }
 *
 * Reduce runs in workers, many keys at a time, and like a map function it uses its arguments and
 * nothing else. It emits any number of records; they are written in the order of the keys that were
 * reduced, and for one key in the order in which they were emitted.
 *
 * The same type of function may be a job's `combine`: it is called for every key of one piece of
 * the input, where the piece was mapped, and what it emits goes on to reduce in place of the
 * values. That saves memory where much becomes little. How the input is cut into pieces must not
 * show in the result, so combine what may be combined in any grouping (the ten largest of the ten
 * largest).
 */
#ifndef YOKE_MAPREDUCE_REDUCE_H
#define YOKE_MAPREDUCE_REDUCE_H

#include "split.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_values yk_values;

/* The next value; its bytes are not aligned, and good until the next call. False behind the last
 * one, and when the job is to stop. */
bool yk_values_next(yk_values *values, yk_str *value);

/* Returns 0; a negative error fails the job, with the first key in the order of bytes for which
 * that happened. `arg` is the worker's copy of the options' arg. */
typedef int (*yk_reduce_fn)(yk_str key, yk_values *values, yk_emitter *out, void *arg);

#ifdef __cplusplus
}
#endif
#endif
