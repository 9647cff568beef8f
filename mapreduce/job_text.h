/* mapreduce/job_text.h - which job it is, in words. Not installed. */
#ifndef YOKE_MAPREDUCE_JOB_TEXT_H
#define YOKE_MAPREDUCE_JOB_TEXT_H

#include <stddef.h>

struct yk__engine;

/* Lines "what value"; to be freed. NULL: no memory. The last two are what was chosen: "piece" and
 * "seed". */
char *yk__job_text(const struct yk__engine *e, size_t piece);

/* Compares the texts of a journal and of this job, without what was chosen. NULL: they are the
 * same; else what differs, in words that may point into `now`, whose line is ended there. */
const char *yk__job_text_differs(const char *then, char *now);

/* Reads what was chosen; 0, or YK_ECORRUPT. */
int yk__job_text_chosen(const char *text, size_t *piece, unsigned long long *seed);

#endif
