/* mapreduce/ngram/main.c - ngram: questions to the Google Books Ngram dataset. */
#include <stdio.h>

#include "../../loop/loop.h"
#include "commands.h"

static int run_command(const ngram_options *o)
{
    switch (o->command) {
    case NGRAM_COUNT:
    case NGRAM_TOP:
        return ngram_count(o);
    case NGRAM_GEN:
        return ngram_gen(o);
    case NGRAM_HELP:
        return ngram_print_help(o->help_on);
    default:
        puts("ngram (yoke) " NGRAM_VERSION);
        return fflush(stdout) ? NGRAM_FAILED : NGRAM_OK;
    }
}

static int app(void *arg)
{
    (void)arg;
    char **argv;
    int argc = yk_args(&argv);
    ngram_options options;
    int status = ngram_options_read(&options, argc, argv);
    if (status == NGRAM_OK)
        status = run_command(&options);
    ngram_options_free(&options);
    return status;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
