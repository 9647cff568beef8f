/* The best of each group: map-reduce with a combine function.
 *   group_top K FILE...        reads lines GROUP TAB SCORE TAB ANYTHING, and writes for each group
 *                              the K with the highest scores, of equal ones those that came first
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <yoke/yoke.h>

static int map_lines(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str line; yk_split_next_record(split, &line);) {
        yk_str group = yk_str_cut(&line, '\t'); /* the line keeps the rest */
        yk_emit_bytes(out, group, line);
    }
    return 0;
}

/* Values in, the best of them out: in every worker first, and then of what was left. */
static int keep_best(yk_str group, yk_values *values, yk_emitter *out, void *arg)
{
    size_t k = *(size_t *)arg, n = 0;
    char **best = calloc(k + 1, sizeof *best);
    int err = best ? 0 : UV_ENOMEM;
    for (yk_str v; !err && yk_values_next(values, &v);) {
        char *copy = strndup(v.at, v.len);
        size_t at = n++;
        err = copy ? 0 : UV_ENOMEM;
        for (; !err && at > 0 && strtoull(best[at - 1], NULL, 10) < yk_str_u64(v); at--)
            best[at] = best[at - 1];
        best[at] = copy;
        if (n > k)
            free(best[--n]);
    }
    for (size_t i = 0; i < n; free(best[i++]))
        if (!err)
            yk_emit_bytes(out, group, (yk_str){ best[i], strlen(best[i]) });
    free(best);
    return err;
}

static int app(void *arg)
{
    char **argv = arg;
    yk_mapreduce_report report;
    int err = yk_mapreduce(.inputs = (const char *const *)argv + 2, .map = map_lines,
                           .combine = keep_best, .reduce = keep_best, .arg_size = sizeof(size_t),
                           .arg = &(size_t){ strtoul(argv[1], NULL, 10) }, .report = &report);
    if (err)
        fprintf(stderr, "group_top: %s\n", report.message);
    return err;
}

int main(int argc, char **argv)
{
    return argc > 2 ? yk_main(argc, argv, app, argv) : 2;
}
