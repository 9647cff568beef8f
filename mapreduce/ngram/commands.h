/* mapreduce/ngram/commands.h - what the tool does. Each returns an exit status, or YK_ECANCELED
 * after an interruption, and has told everything else on standard error. */
#ifndef NGRAM_COMMANDS_H
#define NGRAM_COMMANDS_H

#include "options.h"

int ngram_count(const ngram_options *o); /* and top */
int ngram_gen(const ngram_options *o);

#endif
