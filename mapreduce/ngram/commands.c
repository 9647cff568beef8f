/* mapreduce/ngram/commands.c - the list of commands, in the order in which help shows them. */
#include "commands.h"

/* clang-format off */
const ngram_command *const ngram_commands[] = {
    &ngram_count_command,
    &ngram_top_command,
    &ngram_series_command,
    &ngram_totals_command,
    &ngram_index_command,
    &ngram_serve_command,
    &ngram_fetch_command,
    &ngram_gen_command,
    &ngram_pack_command,
    &ngram_unpack_command,
    &ngram_verify_command,
    &ngram_info_command,
    NULL,
};
/* clang-format on */
