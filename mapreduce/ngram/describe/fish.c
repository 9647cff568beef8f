/* mapreduce/ngram/describe/fish.c - completion for fish. */
#include "describe.h"

static const char *command_name;

/* In single quotes, as fish reads them. */
static void put_quoted(FILE *to, const char *text)
{
    putc('\'', to);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            putc('\\', to);
        putc(*text, to);
    }
    putc('\'', to);
}

static void put_option(FILE *to, const ngram_option *option)
{
    fprintf(to, "complete -c ngram -n '__fish_seen_subcommand_from %s' -l %s", command_name,
            option->name);
    if (option->letter)
        fprintf(to, " -s %c", option->letter);
    if (option->words) {
        fputs(" -x -a '", to);
        for (const char *const *w = option->words; *w; w++)
            fprintf(to, "%s%s", w == option->words ? "" : " ", *w);
        putc('\'', to);
    } else if (option->value) {
        fputs(" -r", to);
    }
    fputs(" -d ", to);
    put_quoted(to, option->help);
    putc('\n', to);
}

void describe_fish(FILE *to, const ngram_command *const *commands)
{
    fputs("# Completion of ngram for fish; made by the build from the tables of its commands.\n",
          to);
    for (const ngram_command *const *c = commands; *c; c++) {
        fprintf(to, "complete -c ngram -f -n __fish_use_subcommand -a %s -d ", (*c)->name);
        put_quoted(to, (*c)->summary);
        putc('\n', to);
    }
    for (const ngram_command *const *c = commands; *c; c++) {
        command_name = (*c)->name;
        describe_options(*c, put_option, to);
    }
}
