/* mapreduce/ngram/main.c - ngram: questions to the Google Books Ngram dataset. */
#include <stdio.h>

#include "../../loop/loop.h"
#include "commands.h"

static int app(void *arg)
{
    (void)arg;
    char **argv;
    int argc = yk_args(&argv);
    return ngram_run(ngram_commands, argc, argv);
}

int main(int argc, char **argv)
{
    if (ngram_is_program(ngram_commands, argc, argv))
        return ngram_run(ngram_commands, argc, argv);
    return yk_main(argc, argv, app, NULL);
}
