/* mapreduce/ngram/describe/zsh.c - completion for zsh. */
#include <string.h>

#include "describe.h"

/* In single quotes; colons and brackets mean something to _arguments and _describe. */
static void put_quoted(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", to);
        else if (strchr(":[]\\", *text))
            putc('\\', to);
        putc(*text, to);
    }
}

static void put_value(FILE *to, const ngram_option *option)
{
    if (!option->value)
        return;
    fputs(":", to);
    put_quoted(to, option->value);
    if (!option->words) {
        fputs(":_files", to);
        return;
    }
    fputs(":(", to);
    for (const char *const *w = option->words; *w; w++)
        fprintf(to, "%s%s", w == option->words ? "" : " ", *w);
    putc(')', to);
}

static void put_form(FILE *to, const ngram_option *option, bool letter)
{
    fputs("            '", to);
    if (option->letter)
        fprintf(to, "(-%c --%s)", option->letter, option->name);
    if (letter)
        fprintf(to, "-%c[", option->letter);
    else
        fprintf(to, "--%s%s[", option->name, option->value ? "=" : "");
    put_quoted(to, option->help);
    putc(']', to);
    put_value(to, option);
    fputs("' \\\n", to);
}

static void put_option(FILE *to, const ngram_option *option)
{
    if (option->letter)
        put_form(to, option, true);
    put_form(to, option, false);
}

void describe_zsh(FILE *to, const ngram_command *const *commands)
{
    fputs("#compdef ngram\n"
          "# Completion of ngram for zsh; made by the build from the tables of its commands.\n"
          "_ngram() {\n    local -a commands=(\n",
          to);
    for (const ngram_command *const *c = commands; *c; c++) {
        fprintf(to, "        '%s:", (*c)->name);
        put_quoted(to, (*c)->summary);
        fputs("'\n", to);
    }
    fputs("    )\n"
          "    if ((CURRENT == 2)); then\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    local command=$words[2]\n"
          "    shift words\n"
          "    ((CURRENT--))\n"
          "    case $command in\n",
          to);
    for (const ngram_command *const *c = commands; *c; c++) {
        fprintf(to, "    %s)\n        _arguments -s \\\n", (*c)->name);
        describe_options(*c, put_option, to);
        fputs("            '*:file:_files'\n        ;;\n", to);
    }
    fputs("    esac\n}\n_ngram \"$@\"\n", to);
}
