/* mapreduce/ngram/describe/bash.c - completion for bash, which needs nothing but bash.
 *
 * What the script does not know it leaves to bash: names of files.
 */
#include "describe.h"

static const char head[] =
    "# Completion of ngram for bash; made by the build from the tables of its commands.\n"
    "_ngram() {\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local choices= options=\n"
    "    if [[ $word == = ]]; then\n"
    "        word=\n"
    "    elif [[ $before == = ]]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    COMPREPLY=()\n"
    "    if ((COMP_CWORD == 1)); then\n"
    "        COMPREPLY=($(compgen -W \"$_ngram_commands help --help --version\" -- \"$word\"))\n"
    "        return\n"
    "    fi\n"
    "    case ${COMP_WORDS[1]} in\n"
    "    help)\n"
    "        choices=$_ngram_commands\n"
    "        ;;\n";

static const char tail[] = "    esac\n"
                           "    if [[ $choices ]]; then\n"
                           "        COMPREPLY=($(compgen -W \"$choices\" -- \"$word\"))\n"
                           "    elif [[ $word == -* ]]; then\n"
                           "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
                           "    fi\n"
                           "}\n"
                           "complete -o default -F _ngram ngram\n";

static void put_name(FILE *to, const ngram_option *option)
{
    fprintf(to, " --%s", option->name);
    if (option->letter)
        fprintf(to, " -%c", option->letter);
}

/* The words that an option with a choice takes. */
static void put_choice(FILE *to, const ngram_option *option)
{
    if (!option->words)
        return;
    fputs("        ", to);
    if (option->letter)
        fprintf(to, "-%c | ", option->letter);
    fprintf(to, "--%s) choices=\"", option->name);
    for (const char *const *w = option->words; *w; w++)
        fprintf(to, "%s%s", w == option->words ? "" : " ", *w);
    fputs("\" ;;\n", to);
}

static void put_command(FILE *to, const ngram_command *command)
{
    fprintf(to, "    %s)\n        options=\"", command->name);
    describe_options(command, put_name, to);
    fputs("\"\n        case $before in\n", to);
    describe_options(command, put_choice, to);
    fputs("        esac\n        ;;\n", to);
}

void describe_bash(FILE *to, const ngram_command *const *commands)
{
    fputs("_ngram_commands=\"", to);
    for (const ngram_command *const *c = commands; *c; c++)
        fprintf(to, "%s%s", c == commands ? "" : " ", (*c)->name);
    fputs("\"\n\n", to);
    fputs(head, to);
    for (const ngram_command *const *c = commands; *c; c++)
        put_command(to, *c);
    fputs(tail, to);
}
