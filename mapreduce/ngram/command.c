/* mapreduce/ngram/command.c - reads a command line by the command's table, and runs it. */
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../executor/error.h"

enum { FIRST = 256, MOST_OPTIONS = 64, WORD = 1 };

const ngram_option ngram_common_options[] = {
    { .name = "help", .letter = 'h', .help = "this" },
    { .name = "version", .help = "the version" },
    { 0 },
};

/* What getopt is given, and what each of its answers means. */
typedef struct grammar {
    struct option longs[MOST_OPTIONS + 1];
    char shorts[2 * MOST_OPTIONS + 3];
    const ngram_option *option[MOST_OPTIONS];
    size_t base[MOST_OPTIONS]; /* of its group */
    size_t count, letters;
} grammar;

int ngram_complain(const ngram_command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("ngram: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    if (command)
        fprintf(stderr, "\nTry 'ngram %s --help'.\n", command->name);
    else
        fputs("\nTry 'ngram --help'.\n", stderr);
    return NGRAM_USAGE;
}

int ngram_flush(void)
{
    if (fflush(stdout) == 0)
        return NGRAM_OK;
    fprintf(stderr, "ngram: standard output: %s\n", yk_strerror(uv_translate_sys_error(errno)));
    return NGRAM_FAILED;
}

/* ---- The grammar --------------------------------------------------------------------------- */

static void add_option(grammar *g, const ngram_option *option, size_t base)
{
    if (g->count == MOST_OPTIONS)
        return; /* the option would be unknown, as its first use shows */
    int value = option->value ? required_argument : no_argument;
    g->longs[g->count] = (struct option){ option->name, value, NULL, FIRST + (int)g->count };
    if (option->letter) {
        g->shorts[g->letters++] = option->letter;
        if (option->value)
            g->shorts[g->letters++] = ':';
    }
    g->option[g->count] = option;
    g->base[g->count++] = base;
}

static void make_grammar(grammar *g, const ngram_command *command)
{
    *g = (grammar){ .shorts = "-:", .letters = 2 }; /* words in order; missing values told apart */
    for (const ngram_option_group *group = command->groups; group->options; group++)
        for (const ngram_option *option = group->options; option->name; option++)
            add_option(g, option, group->at);
    for (const ngram_option *option = ngram_common_options; option->name; option++)
        add_option(g, option, 0);
}

static size_t find_option(const grammar *g, int got)
{
    size_t i = 0;
    while (got >= FIRST ? i != (size_t)(got - FIRST) : g->option[i]->letter != got)
        i++;
    return i;
}

/* ---- Options ------------------------------------------------------------------------------- */

/* What getopt did not understand. */
static int refuse_option(const ngram_command *command, int got, char **argv)
{
    const char *word = argv[optind - 1];
    if (got == ':')
        return ngram_complain(command, "option '%s' needs a value", word);
    if (strncmp(word, "--", 2) == 0 && optopt != 0 && strchr(word, '='))
        return ngram_complain(command, "option '%s' takes no value", word);
    if (optopt != 0 && optopt < FIRST)
        return ngram_complain(command, "unknown option '-%c'", optopt);
    return ngram_complain(command, "unknown option '%s'", word);
}

/* "processes, threads or hybrid" */
static void join_words(char *to, size_t size, const char *const *words)
{
    size_t len = 0;
    for (size_t i = 0; words[i] && len < size; i++)
        len += (size_t)snprintf(to + len, size - len, "%s%s",
                                i == 0         ? ""
                                : words[i + 1] ? ", "
                                               : " or ",
                                words[i]);
}

static int refuse_value(const ngram_command *command, const ngram_option *option, const char *text)
{
    char must[256];
    if (option->must)
        snprintf(must, sizeof must, "%s", option->must);
    else if (option->words)
        join_words(must, sizeof must, option->words);
    else if (option->most)
        snprintf(must, sizeof must, "a number from %llu to %llu", (unsigned long long)option->least,
                 (unsigned long long)option->most);
    else if (option->least)
        snprintf(must, sizeof must, "a number from %llu on", (unsigned long long)option->least);
    else
        snprintf(must, sizeof must, "a number");
    if (option->letter)
        return ngram_complain(command, "-%c %s: must be %s", option->letter, text, must);
    return ngram_complain(command, "--%s %s: must be %s", option->name, text, must);
}

static int read_value(const ngram_command *command, const ngram_option *option, int argc,
                      char **argv, void *into)
{
    if (!option->read(option, optarg, into))
        return refuse_value(command, option, optarg);
    if (!option->then || strcmp(optarg, option->then) != 0)
        return NGRAM_OK;
    if (optind >= argc)
        return ngram_complain(command, "option '--%s %s' needs another word", option->name, optarg);
    const char *more = argv[optind++];
    return option->read(option, more, into) ? NGRAM_OK : refuse_value(command, option, more);
}

/* Reads all options. NGRAM_OK; NGRAM_USAGE; or that it has been all: *common is --help or such. */
static int read_options(const ngram_command *command, int argc, char **argv, char *options,
                        ngram_words *words, const ngram_option **common)
{
    grammar g;
    make_grammar(&g, command);
    opterr = 0;
    optind = 2;
    for (int got; (got = getopt_long(argc, argv, g.shorts, g.longs, NULL)) != -1;) {
        if (got == '?' || got == ':')
            return refuse_option(command, got, argv);
        if (got == WORD) {
            words->at[words->count++] = optarg;
            continue;
        }
        size_t i = find_option(&g, got);
        if (!g.option[i]->read) {
            *common = g.option[i];
            return NGRAM_OK;
        }
        void *into = options + g.base[i] + g.option[i]->at;
        int status = read_value(command, g.option[i], argc, argv, into);
        if (status)
            return status;
    }
    words->before = words->count;
    while (optind < argc)
        words->at[words->count++] = argv[optind++];
    return NGRAM_OK;
}

/* ---- Commands ------------------------------------------------------------------------------ */

static int print_version(void)
{
    puts("ngram (yoke) " NGRAM_VERSION);
    return ngram_flush();
}

static int run_command(const ngram_command *command, int argc, char **argv)
{
    const ngram_option *common = NULL;
    ngram_words words = { .at = calloc((size_t)argc + 1, sizeof *words.at),
                          .argc = argc,
                          .argv = argv };
    char *options = calloc(1, command->size);
    int status;
    if (options && words.at) {
        if (command->defaults)
            memcpy(options, command->defaults, command->size);
        status = read_options(command, argc, argv, options, &words, &common);
    } else {
        status = ngram_complain(command, "out of memory");
    }
    if (status == NGRAM_OK && !common)
        status = command->run(options, &words);
    else if (status == NGRAM_OK)
        status = common->letter == 'h' ? ngram_print_command_help(command) : print_version();
    free(options);
    free(words.at);
    return status;
}

static const ngram_command *find_command(const ngram_command *const *commands, const char *name)
{
    while (*commands && strcmp((*commands)->name, name) != 0)
        commands++;
    return *commands;
}

bool ngram_is_program(const ngram_command *const *commands, int argc, char **argv)
{
    const ngram_command *command = argc < 2 ? NULL : find_command(commands, argv[1]);
    return command && command->program;
}

int ngram_run(const ngram_command *const *commands, int argc, char **argv)
{
    if (argc < 2)
        return ngram_complain(NULL, "a command is missing");
    const char *name = argv[1];
    bool help = strcmp(name, "help") == 0;
    if (strcmp(name, "--version") == 0)
        return print_version();
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || (help && argc == 2))
        return ngram_print_help(commands);
    if (name[0] == '-')
        return ngram_complain(NULL, "a command comes first, before '%s'", name);
    const ngram_command *command = find_command(commands, help ? argv[2] : name);
    if (!command)
        return ngram_complain(NULL, "there is no command '%s'", help ? argv[2] : name);
    return help ? ngram_print_command_help(command) : run_command(command, argc, argv);
}
