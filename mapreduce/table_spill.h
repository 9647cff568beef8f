/* mapreduce/table_spill.h - a table becomes a run. Not installed. */
#ifndef YOKE_MAPREDUCE_TABLE_SPILL_H
#define YOKE_MAPREDUCE_TABLE_SPILL_H

#include "table.h"

/* Writes all records of the table as a run with that order. Errors: UV_E... */
int yk__table_spill(const yk__table *t, uint64_t order, const char *path, bool durable);

#endif
