/* mapreduce/job_text.c - the text by which a journal knows its job. */
#include "job_text.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "../executor/error.h"
#include "engine.h"

/* ---- Writing ------------------------------------------------------------------------------- */

static void put_stat(FILE *to, const struct stat *st)
{
    fprintf(to, " %lld %lld.%09ld", (long long)st->st_size, (long long)st->st_mtim.tv_sec,
            st->st_mtim.tv_nsec);
}

static void put_program(FILE *to)
{
    struct stat st;
    fputs("program", to);
    if (stat("/proc/self/exe", &st) == 0)
        put_stat(to, &st);
    fputc('\n', to);
}

/* Its place in the file that it is from: that is the same in each run of a program. */
static void put_function(FILE *to, const void *function)
{
    Dl_info info;
    if (!function)
        fputs(" -", to);
    else if (dladdr(function, &info) != 0)
        fprintf(to, " %zx", (size_t)((const char *)function - (const char *)info.dli_fbase));
    else
        fputs(" ?", to);
}

static void put_functions(FILE *to, const yk_mapreduce_options *o)
{
    fputs("functions", to);
    put_function(to, (const void *)o->map);
    put_function(to, o->fold ? (const void *)o->fold->fold : NULL);
    put_function(to, (const void *)o->reduce);
    put_function(to, (const void *)o->combine);
    put_function(to, (const void *)o->splitter.record);
    put_function(to, (const void *)o->partition);
    fprintf(to, " %zu %zu\n", o->fold ? o->fold->value_size : 0, o->splitter.record_size);
}

static void put_options(FILE *to, const yk_mapreduce_options *o)
{
    const char *arg = o->arg_size ? o->arg : "";
    fprintf(to, "options %d %d %zu %zu %zu %zu %08x%08x\n", o->skip_bad_records,
            o->skip_crashing_records, o->partitions, o->top, o->split_size, o->arg_size,
            yk__hash(arg, o->arg_size, 1), yk__hash(arg, o->arg_size, 2));
}

static void put_inputs(FILE *to, const yk__engine *e)
{
    for (size_t i = 0; i < e->n_files; i++) {
        const yk__file *f = &e->files[i];
        struct stat st;
        fputs("input", to);
        if ((f->path[0] ? stat(f->path, &st) : fstat(STDIN_FILENO, &st)) == 0)
            put_stat(to, &st);
        fprintf(to, " %zu %s\n", strlen(f->name), f->name);
    }
}

char *yk__job_text(const yk__engine *e, size_t piece)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);
    if (!to)
        return NULL;
    put_program(to);
    put_functions(to, &e->o);
    put_options(to, &e->o);
    put_inputs(to, e);
    fprintf(to, "piece %zu\nseed %llu\n", piece, (unsigned long long)e->seed);
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}

/* ---- Comparing ----------------------------------------------------------------------------- */

static bool begins(const char *line, const char *word)
{
    return strncmp(line, word, strlen(word)) == 0;
}

/* What was chosen when the job first began: "piece N" and what follows, the last there is, for the
 * names of files before it may hold anything. The end of the text if there is none. */
static const char *find_chosen(const char *text)
{
    const char *chosen = NULL;
    for (const char *at = text; (at = strstr(at, "\npiece ")) != NULL; at++)
        chosen = at + 1;
    return chosen ? chosen : text + strlen(text);
}

const char *yk__job_text_differs(const char *then, char *now)
{
    const char *line = then, *end = find_chosen(then);
    char *own = now;
    const char *own_end = find_chosen(now);
    while (line < end && own < own_end) {
        size_t len = strcspn(line, "\n"), own_len = strcspn(own, "\n");
        if (len != own_len || memcmp(line, own, len) != 0)
            break;
        line += len + 1;
        own += own_len + 1;
    }
    if (line >= end && own >= own_end)
        return NULL;
    if (begins(own, "program"))
        return "another version of the program";
    if (begins(own, "functions") || begins(own, "options"))
        return "other options";
    if (!begins(line, "input") || !begins(own, "input"))
        return "other inputs";
    own[strcspn(own, "\n")] = '\0';
    return strrchr(own, ' ') + 1;
}

int yk__job_text_chosen(const char *text, size_t *piece, unsigned long long *seed)
{
    return sscanf(find_chosen(text), "piece %zu\nseed %llu", piece, seed) == 2 ? 0 : YK_ECORRUPT;
}
