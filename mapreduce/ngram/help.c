/* mapreduce/ngram/help.c - what the tool says about itself, from the commands' tables. */
#include <stdio.h>
#include <string.h>

#include "command.h"

enum { WIDTH = 90, INDENT = 28 };

/* One paragraph in lines; the first begins in column `at`, the others after `indent` blanks. */
static void print_wrapped(const char *text, size_t at, size_t indent)
{
    for (size_t n; *text; text += n) {
        n = strcspn(text, " \n");
        if (at > indent && at + 1 + n > WIDTH)
            at = (size_t)printf("\n%*s", (int)indent, "") - 1;
        else if (at > indent)
            at += (size_t)printf(" ");
        at += (size_t)printf("%.*s", (int)n, text);
        n += text[n] == ' ';
        if (text[n] == '\n') {
            putchar('\n');
            at = 0;
            n++;
        }
    }
    putchar('\n');
}

static void print_option(const ngram_option *option)
{
    char left[64];
    char letter[8] = "    ";
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    int n = snprintf(left, sizeof left, "  %s--%s%s%s", letter, option->name,
                     option->value ? " " : "", option->value ? option->value : "");
    if (n < INDENT - 1)
        printf("%-*s", INDENT, left);
    else
        printf("%s\n%*s", left, INDENT, "");
    print_wrapped(option->help, INDENT, INDENT);
}

static void print_options(const ngram_option *options)
{
    for (; options->name; options++)
        print_option(options);
}

static void print_examples(const ngram_example *examples)
{
    puts("\nExamples:");
    for (; examples->what; examples++)
        printf("  %s\n      %s\n", examples->line, examples->what);
}

int ngram_print_command_help(const ngram_command *command)
{
    printf("Usage: ngram %s %s\n\n", command->name, command->usage);
    print_wrapped(command->about, 0, 0);
    for (const ngram_option_group *group = command->groups; group->options; group++) {
        printf("\n%s:\n", group->title);
        print_options(group->options);
    }
    puts("");
    print_options(ngram_common_options);
    if (command->examples)
        print_examples(command->examples);
    return ngram_flush();
}

int ngram_print_help(const ngram_command *const *commands)
{
    puts("Usage: ngram COMMAND [options]\n\n"
         "Asks questions of Google Books Ngram files, on all cores.\n");
    for (; *commands; commands++) {
        printf("  %-8s", (*commands)->name);
        print_wrapped((*commands)->summary, 10, 10);
    }
    puts("\n'ngram COMMAND --help' shows the options of a command. --version shows the version.\n"
         "Exit status: 0 all is well, 1 the job failed, 2 wrong usage, 130 interrupted.");
    return ngram_flush();
}
