/* mapreduce/ngram/plot.c - draws a chart with gnuplot, run as a program.
 *
 * gnuplot reads its commands and the numbers from standard input, and writes the picture to
 * standard output; what has come whole is written beside the file's place and renamed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#include "../../executor/error.h"
#include "../../loop/subprocess.h"
#include "chart.h"
#include "command.h"

enum {
    LONGEST_MS = 120 * 1000,
    LARGEST = 256 << 20,
    COLOURS = 8,
    FEW_LINES = 4,
    MOST_NAMES = 60,
    LONGEST_NAME = 45
};

/* ---- Beforehand ---------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
    size_t a = strlen(s), b = strlen(end);
    return a > b && strcmp(s + a - b, end) == 0;
}

static bool is_there(const char *program)
{
    const char *path = getenv("PATH");
    char name[4096];
    for (const char *at = path ? path : ""; *at;) {
        size_t n = strcspn(at, ":");
        snprintf(name, sizeof name, "%.*s/%s", (int)n, at, program);
        if (n > 0 && access(name, X_OK) == 0)
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

static int check_folder(const char *path)
{
    char folder[4096] = ".";
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (access(folder, W_OK | X_OK) == 0)
        return NGRAM_OK;
    fprintf(stderr, "ngram: %s: %m\n", path);
    return NGRAM_FAILED;
}

int ngram_plot_check(const char *path, const ngram_command *command)
{
    if (!ends_with(path, ".svg") && !ends_with(path, ".png"))
        return ngram_complain(command, "--plot %s: must be a file with the ending .svg or .png",
                              path);
    if (!is_there("gnuplot")) {
        fputs("ngram: --plot needs the program gnuplot, which is not in PATH; install it (Debian: "
              "gnuplot-nox)\n",
              stderr);
        return NGRAM_FAILED;
    }
    return check_folder(path);
}

/* ---- What gnuplot is told ------------------------------------------------------------------ */

/* The bytes of the character at `text`; *good: may a script and an SVG file have it? */
static size_t look_at_character(const char *text, size_t len, bool *good)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)(len < 4 ? len : 4), &c);
    *good = n > 0 && c >= 0x20 && c != 0x7f && (c & 0xfffe) != 0xfffe;
    return n > 0 ? (size_t)n : 1;
}

/* Between single quotes gnuplot reads nothing as anything else; a quote is another string, joined.
 * At most `most` bytes are shown, and then an ellipsis. */
static void put_escaped(FILE *to, const char *text, size_t most, const char *percent)
{
    size_t len = strlen(text), shown = 0;
    fputc('\'', to);
    for (size_t at = 0, n; at < len; at += n) {
        bool good;
        n = look_at_character(text + at, len - at, &good);
        shown += good ? n : 3;
        if (shown > most) {
            fputs("…", to);
            break;
        }
        if (!good)
            fputs("\xef\xbf\xbd", to); /* U+FFFD */
        else if (text[at] == '\'')
            fputs("'.\"'\".'", to);
        else if (text[at] == '%')
            fputs(percent, to);
        else
            fwrite(text + at, 1, n, to);
    }
    fputc('\'', to);
}

static void put_string(FILE *to, const char *text)
{
    put_escaped(to, text, SIZE_MAX, "%");
}

/* The name of a bar is a format for its number, which gnuplot makes in 50 bytes. */
static void put_name(FILE *to, const char *text)
{
    put_escaped(to, text, LONGEST_NAME, "%%");
}

/* The names of bars, below them; where they are too many, none. */
static void put_names(FILE *to, const ngram_chart *c)
{
    fprintf(to, "set style fill solid 0.8 border -1\nset boxwidth 0.8\nset xrange [-0.6:%zu.6]\n",
            c->rows - 1);
    fputs("set xtics rotate by -45 (", to);
    for (size_t i = 0; i < c->rows && c->rows <= MOST_NAMES; i++) {
        if (i > 0)
            fputs(", ", to);
        put_name(to, c->label[i]);
        fprintf(to, " %zu", i);
    }
    fputs(")\n", to);
}

static void put_settings(FILE *to, const ngram_chart *c, bool svg)
{
    fputs("set encoding utf8\n", to);
    if (svg)
        fputs("set terminal svg size 960,540 dynamic noenhanced background rgb 'white'\n", to);
    else
        fputs("set terminal pngcairo size 960,540 noenhanced\n", to);
    fputs("set border 3\nset tics nomirror out\nset grid ytics lc rgb '#dddddd'\n"
          "set key top left reverse Left\nset yrange [0:*]\n"
          "set datafile missing 'NaN'\nset ylabel ",
          to);
    put_string(to, c->unit);
    fprintf(to, "\nset format y '%s'\n", c->counts ? "%.1s %c" : "%.10g");
    if (c->lines == 1)
        fputs("unset key\n", to);
    else if (c->lines > FEW_LINES)
        fputs("set key outside right\n", to);
    if (c->years && c->rows > 1)
        fprintf(to, "set xrange [%s:%s]\n", c->label[0], c->label[c->rows - 1]);
    if (!c->years)
        put_names(to, c);
}

static void put_points(FILE *to, const ngram_chart *c, size_t line)
{
    fprintf(to, "$line%zu << END_OF_LINE\n", line);
    for (size_t i = 0; i < c->rows; i++) {
        if (c->years)
            fprintf(to, "%s %.17g\n", c->label[i], c->value[line][i]);
        else
            fprintf(to, "%zu %.17g\n", i, c->value[line][i]);
    }
    fputs("END_OF_LINE\n", to);
}

/* Eight colours that can be told apart, and another dash for the next eight lines. */
static void put_plot(FILE *to, const ngram_chart *c)
{
    const char *how = !c->years ? "boxes" : c->rows > 1 ? "lines lw 2" : "points";
    for (size_t i = 0; i < c->lines; i++) {
        fprintf(to, "%s $line%zu using 1:2 with %s lc %zu", i ? "," : "plot", i, how,
                i % COLOURS + 1);
        if (c->years && c->rows > 1)
            fprintf(to, " dt %zu", i / COLOURS % COLOURS + 1);
        fputs(" title ", to);
        put_string(to, c->name[i]);
    }
    fputc('\n', to);
}

/* The script, to be freed; NULL: out of memory. */
static char *make_script(const ngram_chart *c, bool svg, size_t *len)
{
    char *script = NULL;
    FILE *to = open_memstream(&script, len);
    if (!to)
        return NULL;
    put_settings(to, c, svg);
    for (size_t i = 0; i < c->lines; i++)
        put_points(to, c, i);
    put_plot(to, c);
    bool bad = ferror(to);
    if (fclose(to) == 0 && !bad)
        return script;
    free(script);
    return NULL;
}

char *ngram_plot_script(const ngram_chart *c, size_t *len)
{
    return make_script(c, true, len);
}

/* ---- The file ------------------------------------------------------------------------------ */

static int write_file(const char *path, const char *bytes, size_t len)
{
    char name[4096];
    if (snprintf(name, sizeof name, "%s.%ld.tmp", path, (long)getpid()) >= (int)sizeof name) {
        fprintf(stderr, "ngram: %s: the name is too long\n", path);
        return NGRAM_FAILED;
    }
    FILE *file = fopen(name, "wxe");
    bool good = file && fwrite(bytes, 1, len, file) == len;
    if (file && fclose(file) != 0)
        good = false;
    if (good && rename(name, path) == 0)
        return NGRAM_OK;
    fprintf(stderr, "ngram: %s: %m\n", path);
    if (file)
        unlink(name);
    return NGRAM_FAILED;
}

/* What gnuplot complains of: its last line that is not empty; those before it repeat the script. */
static void tell_failure(const char *path, const yk_output *o)
{
    const char *said = o->err ? o->err : "", *end = said + strlen(said);
    while (end > said && strchr(" \n", end[-1]))
        end--;
    const char *line = end > said ? memrchr(said, '\n', (size_t)(end - said)) : NULL;
    line = line ? line + 1 : said;
    line += strspn(line, " ");
    if (line < end)
        fprintf(stderr, "ngram: %s: gnuplot failed: %.*s\n", path, (int)(end - line), line);
    else
        fprintf(stderr, "ngram: %s: gnuplot failed and said nothing\n", path);
}

int ngram_plot(const ngram_chart *c, const char *path)
{
    size_t len;
    if (c->rows == 0 || c->lines == 0) {
        fprintf(stderr, "ngram: %s: there is nothing to draw\n", path);
        return NGRAM_FAILED;
    }
    char *script = make_script(c, ends_with(path, ".svg"), &len);
    if (!script) {
        fprintf(stderr, "ngram: %s: out of memory\n", path);
        return NGRAM_FAILED;
    }
    yk_output o;
    const char *const argv[] = { "gnuplot", NULL };
    int status = NGRAM_FAILED;
    int err = yk_run(&o, yk_after_ms(LONGEST_MS), .argv = argv, .input = script, .input_len = len,
                     .limit = LARGEST);
    if (err == YK_ECANCELED) {
        fputs("ngram: interrupted\n", stderr);
        status = err;
    } else if (err) {
        fprintf(stderr, "ngram: %s: gnuplot: %s\n", path, yk_strerror(err));
    } else if (o.exit.code != 0 || o.out_len == 0) {
        tell_failure(path, &o);
    } else {
        status = write_file(path, o.out, o.out_len);
    }
    yk_output_free(&o);
    free(script);
    return status;
}
