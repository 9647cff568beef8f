/* mapreduce/ngram/describe/man.c - manual pages, in the macros of man(7). */
#include <ctype.h>
#include <string.h>

#include "describe.h"

/* A character as troff leaves it: what can be typed stays what can be searched for and copied. */
static void put_character(FILE *to, char c)
{
    static const struct {
        char c;
        const char *escape;
    } special[] = { { '-', "\\-" },   { '\\', "\\e" },  { '\'', "\\(aq" },
                    { '`', "\\(ga" }, { '^', "\\(ha" }, { '~', "\\(ti" } };
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if (special[i].c == c) {
            fputs(special[i].escape, to);
            return;
        }
    }
    putc(c, to);
}

/* Text that has no requests in it. */
static void put_text(FILE *to, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '.' && (p == text || p[-1] == '\n'))
            fputs("\\&", to);
        put_character(to, *p);
    }
}

/* Paragraphs, with empty lines between them. */
static void put_paragraphs(FILE *to, const char *text)
{
    for (const char *end; *text; text = end) {
        end = strstr(text, "\n\n");
        size_t len = end ? (size_t)(end - text) : strlen(text);
        char paragraph[4096];
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)len, text);
        put_text(to, paragraph);
        fputs(end ? "\n.PP\n" : "\n", to);
        end = end ? end + 2 : text + len;
    }
}

static void put_header(FILE *to, const char *name, const char *summary)
{
    fputs(".TH ", to);
    for (const char *p = name; *p; p++)
        putc(toupper((unsigned char)*p), to);
    fputs(" 1 \"\" \"yoke " NGRAM_VERSION "\" \"Google Books Ngram\"\n.SH NAME\n", to);
    put_text(to, name);
    fputs(" \\- ", to);
    put_text(to, summary);
    putc('\n', to);
}

static void put_option(FILE *to, const ngram_option *option)
{
    fputs(".TP\n", to);
    if (option->letter)
        fprintf(to, "\\fB\\-%c\\fR, ", option->letter);
    fputs("\\fB\\-\\-", to);
    put_text(to, option->name);
    fputs("\\fR", to);
    if (option->value) {
        fputs(" \\fI", to);
        put_text(to, option->value);
        fputs("\\fR", to);
    }
    putc('\n', to);
    put_text(to, option->help);
    putc('\n', to);
}

static void put_options(FILE *to, const ngram_option *options)
{
    for (; options->name; options++)
        put_option(to, options);
}

static void put_examples(FILE *to, const ngram_example *examples)
{
    fputs(".SH EXAMPLES\n", to);
    for (; examples->what; examples++) {
        fputs(".TP\n", to);
        put_text(to, examples->line);
        putc('\n', to);
        put_text(to, examples->what);
        putc('\n', to);
    }
}

static void put_exit_status(FILE *to)
{
    fputs(".SH EXIT STATUS\n"
          "0 all is well, 1 the job failed, 2 wrong usage, 130 interrupted.\n",
          to);
}

void describe_man_of(FILE *to, const ngram_command *command)
{
    char name[128];
    snprintf(name, sizeof name, "ngram-%s", command->name);
    put_header(to, name, command->summary);
    fprintf(to, ".SH SYNOPSIS\n\\fBngram %s\\fR ", command->name);
    put_text(to, command->usage);
    fputs("\n.SH DESCRIPTION\n", to);
    put_paragraphs(to, command->about);
    fputs(".SH OPTIONS\n", to);
    for (const ngram_option_group *group = command->groups; group->options; group++) {
        fputs(".SS ", to);
        put_text(to, group->title);
        putc('\n', to);
        put_options(to, group->options);
    }
    fputs(".SS Help\n", to);
    put_options(to, ngram_common_options);
    if (command->examples)
        put_examples(to, command->examples);
    put_exit_status(to);
    fputs(".SH SEE ALSO\n.BR ngram (1)\n", to);
}

void describe_man(FILE *to, const ngram_command *const *commands)
{
    put_header(to, "ngram", "asks questions of Google Books Ngram files, on all cores");
    fputs(".SH SYNOPSIS\n\\fBngram\\fR \\fICOMMAND\\fR [options]\n.br\n"
          "\\fBngram\\fR \\fICOMMAND\\fR \\fB\\-\\-help\\fR\n"
          ".SH COMMANDS\n",
          to);
    for (const ngram_command *const *c = commands; *c; c++) {
        fprintf(to, ".TP\n\\fB%s\\fR\n", (*c)->name);
        put_text(to, (*c)->summary);
        putc('\n', to);
    }
    put_exit_status(to);
    fputs(".SH SEE ALSO\n", to);
    for (const ngram_command *const *c = commands; *c; c++)
        fprintf(to, ".BR ngram\\-%s (1)%s\n", (*c)->name, c[1] ? "," : "");
}
