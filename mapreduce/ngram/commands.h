/* mapreduce/ngram/commands.h - what the tool does; each has a file of its name. */
#ifndef NGRAM_COMMANDS_H
#define NGRAM_COMMANDS_H

#include "command.h"

/* All of them; ends with NULL. */
extern const ngram_command *const ngram_commands[];

extern const ngram_command ngram_count_command;
extern const ngram_command ngram_top_command;
extern const ngram_command ngram_series_command;
extern const ngram_command ngram_totals_command;
extern const ngram_command ngram_fetch_command;
extern const ngram_command ngram_gen_command;
extern const ngram_command ngram_pack_command;
extern const ngram_command ngram_unpack_command;
extern const ngram_command ngram_index_command;
extern const ngram_command ngram_serve_command;
extern const ngram_command ngram_verify_command;
extern const ngram_command ngram_info_command;

#endif
