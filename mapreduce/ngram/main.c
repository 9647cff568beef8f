/* mapreduce/ngram/main.c - ngram: questions to the Google Books Ngram dataset. */
#include <stdio.h>

#include "../../loop/loop.h"
#include "commands.h"

/* clang-format off */
static const ngram_command *const commands[] = {
    &ngram_count_command,
    &ngram_top_command,
    &ngram_index_command,
    &ngram_gen_command,
    &ngram_pack_command,
    &ngram_unpack_command,
    NULL,
};
/* clang-format on */

static int app(void *arg)
{
    (void)arg;
    char **argv;
    int argc = yk_args(&argv);
    return ngram_run(commands, argc, argv);
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
