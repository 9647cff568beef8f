/* mapreduce/ngram/describe/main.c - ngram_describe FOLDER: writes man1/ngram.1,
 * man1/ngram-COMMAND.1 and ngram.bash, ngram.zsh and ngram.fish there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "describe.h"

static const char *folder;

static void fail(const char *path)
{
    fprintf(stderr, "ngram_describe: %s: %s\n", path, strerror(errno));
    exit(1);
}

static void make_folder(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%s", folder, name);
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        fail(path);
}

static FILE *begin_file(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    if (!f)
        fail(path);
    return f;
}

static void end_file(FILE *f)
{
    if (fclose(f) != 0)
        fail(folder);
}

static void make_file(const char *name,
                      void (*describe)(FILE *to, const ngram_command *const *commands))
{
    FILE *f = begin_file(name);
    describe(f, ngram_commands);
    end_file(f);
}

void describe_options(const ngram_command *command,
                      void (*each)(FILE *to, const ngram_option *option), FILE *to)
{
    for (const ngram_option_group *group = command->groups; group->options; group++)
        for (const ngram_option *option = group->options; option->name; option++)
            each(to, option);
    for (const ngram_option *option = ngram_common_options; option->name; option++)
        each(to, option);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: ngram_describe FOLDER\n", stderr);
        return 2;
    }
    folder = argv[1];
    make_folder("");
    make_folder("/man1");
    make_file("man1/ngram.1", describe_man);
    for (const ngram_command *const *c = ngram_commands; *c; c++) {
        char name[128];
        snprintf(name, sizeof name, "man1/ngram-%s.1", (*c)->name);
        FILE *f = begin_file(name);
        describe_man_of(f, *c);
        end_file(f);
    }
    make_file("ngram.bash", describe_bash);
    make_file("ngram.zsh", describe_zsh);
    make_file("ngram.fish", describe_fish);
    return 0;
}
