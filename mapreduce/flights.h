/* mapreduce/flights.h - the parts of the map phase. Not installed.
 *
 *   flights.c     jobs that are under way, and what a failure does to them
 *   reads.c       streams are read
 *   search.c      the record that kills its worker is found
 *   backups.c     second copies of pieces that take very long
 *   map_phase.c   all of it together
 */
#ifndef YOKE_MAPREDUCE_FLIGHTS_H
#define YOKE_MAPREDUCE_FLIGHTS_H

#include "engine.h"

bool yk__is_before(yk__where a, yk__where b);

/* Whether nothing before it has failed. */
bool yk__is_wanted(const yk__engine *e, yk__where where);

/* ---- Failing: at a place, for a reason without one, for something outside of the input ------- */

void yk__fail_with(yk__engine *e, yk__where where, const yk__flaw *flaw);
void yk__fail_at(yk__engine *e, yk__where where, int code, const char *reason);
void yk__stop_all(yk__engine *e, int code);

/* ---- Flights ------------------------------------------------------------------------------- */

/* Makes room to remember a future, which is done before there is one: then add cannot fail. */
int yk__reserve_flight(yk__engine *e);
int yk__add_flight(yk__engine *e, yk__flight flight);

/* The argument of a map job for a piece, to be freed. NULL: no memory. */
yk__map_arg *yk__make_map_arg(yk__engine *e, yk__where where, size_t *size);

/* Maps a piece. */
int yk__submit_piece(yk__engine *e, yk__where where);

/* Puts a piece first among those to be mapped. */
void yk__map_again(yk__engine *e, yk__where where);

/* The text of a piece is no longer needed by any job. */
void yk__give_chunk(yk__file *f, yk__chunk *chunk);

/* ---- Reading ------------------------------------------------------------------------------- */

/* Opens streams in order, as far as may be side by side, and has the open ones read on. */
int yk__launch_reads(yk__engine *e);
void yk__end_read(yk__engine *e, yk__where where, yk_future *future);

/* ---- Backup copies ------------------------------------------------------------------------- */

/* If nothing is left to begin and a worker is idle: begins second copies of those pieces that take
 * far longer than others took. The first of two to end counts. */
int yk__launch_backups(yk__engine *e);

/* A piece was mapped after so long. Its other copy is cancelled. */
void yk__note_mapped(yk__engine *e, yk__where where, uint64_t took_ns);

#endif
