/* mapreduce/ngram/progress.c - the progress bar.
 *
 *    43 % [########------------]  450 MB of 1.05 GB  1.21 GB/s  58.1 M rows/s  ETA 0:01
 *
 * It fits the terminal's width: the bar shrinks first, then what stands at the right goes. Where
 * standard error is no terminal, a line now and then; or, if asked, JSON:
 *
 *    {"phase":"reading","seconds":0.512,"bytes":450000000,"bytes_total":1050000000,...}
 */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../executor/clock.h"
#include "units.h"

enum {
    SECOND = 1000 * 1000 * 1000,
    WIDEST = 512,
    MOST_PARTS = 5,
    LONGEST_BAR = 30,
    SHORTEST_BAR = 5
};

void ngram_progress_begin(ngram_progress *p, ngram_when when)
{
    bool terminal = isatty(STDERR_FILENO);
    bool json = when == NGRAM_AS_JSON;
    *p =
        (ngram_progress){ .shown = json || when == NGRAM_ALWAYS || (when == NGRAM_AUTO && terminal),
                          .json = json,
                          .terminal = terminal && !json };
}

static size_t width_of_terminal(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col < WIDEST ? size.ws_col : WIDEST;
}

static void put_time(char *to, size_t size, double seconds)
{
    unsigned s = seconds < 359999 ? (unsigned)(seconds + 0.5) : 359999; /* 99:59:59 */
    if (s >= 3600)
        snprintf(to, size, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(to, size, "%u:%02u", s / 60, s % 60);
}

/* The parts behind the bar, the most important first. Returns how many. */
static size_t make_parts(const ngram_state *st, char parts[MOST_PARTS][48])
{
    char a[16], b[16];
    size_t n = 0;
    double seconds = (double)st->elapsed_ns / SECOND;
    double rate = seconds > 0 ? (double)st->done / seconds : 0;
    if (st->total)
        snprintf(parts[n++], 48, "%sB of %sB", ngram_short_number(a, (double)st->done),
                 ngram_short_number(b, (double)st->total));
    else
        snprintf(parts[n++], 48, "%sB", ngram_short_number(a, (double)st->done));
    if (st->what)
        snprintf(parts[n++], 48, "%s", st->what);
    if (st->spilled)
        snprintf(parts[n++], 48, "%sB spilled", ngram_short_number(a, (double)st->spilled));
    if (st->what)
        return n;
    snprintf(parts[n++], 48, "%sB/s", ngram_short_number(a, rate));
    if (st->total && rate > 0 && st->done <= st->total) {
        put_time(a, sizeof a, (double)(st->total - st->done) / rate);
        snprintf(parts[n++], 48, "ETA %s", a);
    }
    if (st->rows && seconds > 0)
        snprintf(parts[n++], 48, "%s rows/s", ngram_short_number(a, (double)st->rows / seconds));
    return n;
}

/* Appends the parts that fit into `width`. Returns the length. */
static size_t join_parts(char *line, size_t width, char parts[MOST_PARTS][48], size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        size_t more = strlen(parts[i]) + 2;
        if (len + more > width)
            break;
        len += (size_t)snprintf(line + len, width + 1 - len, "  %s", parts[i]);
    }
    return len;
}

/* "  43 % [####----]" in at most `width` columns, "" if there is no room. */
static size_t make_bar(char *to, size_t width, const ngram_state *st)
{
    double share = (double)st->done / (double)st->total;
    share = share > 1 ? 1 : share;
    size_t len = (size_t)snprintf(to, WIDEST, "%3d %%", (int)(share * 100));
    if (width < len)
        return 0;
    size_t room = width > len + 3 ? width - len - 3 : 0;
    if (room < SHORTEST_BAR)
        return len;
    size_t bar = room < LONGEST_BAR ? room : LONGEST_BAR, full = (size_t)(share * (double)bar);
    to[len++] = ' ';
    to[len++] = '[';
    memset(to + len, '#', full);
    memset(to + len + full, '-', bar - full);
    to[len + bar] = ']';
    return len + bar + 1;
}

static size_t make_line(char *line, size_t width, const ngram_state *st)
{
    char parts[MOST_PARTS][48], text[WIDEST + 1];
    size_t n = make_parts(st, parts);
    const size_t bar_least = st->total ? 5 + 3 + SHORTEST_BAR : 0;
    size_t text_len = join_parts(text, width > bar_least ? width - bar_least : 0, parts, n);
    size_t bar_len = st->total ? make_bar(line, width - text_len, st) : 0;
    memcpy(line + bar_len, text, text_len);
    return bar_len + text_len;
}

/* ,"name":number */
static size_t put_number(char *to, size_t size, const char *name, double number)
{
    return (size_t)snprintf(to, size, ",\"%s\":%.0f", name, number);
}

size_t ngram_progress_object(char line[NGRAM_PROGRESS_OBJECT], const ngram_state *st)
{
    const size_t size = NGRAM_PROGRESS_OBJECT;
    double seconds = (double)st->elapsed_ns / SECOND;
    double rate = seconds > 0 ? (double)st->done / seconds : 0;
    const yk_mapreduce_stats *job = st->job;
    size_t n = (size_t)snprintf(line, size, "{\"phase\":\"%s\",\"seconds\":%.3f",
                                st->ended  ? "ended"
                                : st->what ? st->what
                                           : "reading",
                                seconds);
    n += put_number(line + n, size - n, "bytes", (double)st->done);
    if (st->total)
        n += put_number(line + n, size - n, "bytes_total", (double)st->total);
    n += put_number(line + n, size - n, "bytes_per_second", rate);
    if (st->total > st->done && rate > 0)
        n += (size_t)snprintf(line + n, size - n, ",\"seconds_left\":%.1f",
                              (double)(st->total - st->done) / rate);
    if (job) {
        n += put_number(line + n, size - n, "rows", (double)job->records);
        n += put_number(line + n, size - n, "rows_skipped", (double)job->bad_records);
        n += put_number(line + n, size - n, "splits_done", (double)job->splits);
        n += put_number(line + n, size - n, "splits_running", (double)job->running);
        n += put_number(line + n, size - n, "splits_retried", (double)job->retries);
        n += put_number(line + n, size - n, "splits_copied", (double)job->backups);
        n += put_number(line + n, size - n, "bytes_spilled", (double)job->spilled_bytes);
    }
    return n + (size_t)snprintf(line + n, size - n, "}\n");
}

/* Twice a second, and at the end. */
static void show_object(ngram_progress *p, const ngram_state *st)
{
    char line[NGRAM_PROGRESS_OBJECT];
    uint64_t now = yk_now();
    if (now < p->next_line && !st->ended)
        return;
    p->next_line = now + SECOND / 2;
    size_t len = ngram_progress_object(line, st);
    p->drawn = write(STDERR_FILENO, line, len) == (ssize_t)len;
}

void ngram_progress_show(ngram_progress *p, const ngram_state *st)
{
    char line[WIDEST * 2], out[WIDEST * 2 + 16];
    if (!p->shown)
        return;
    if (p->json) {
        show_object(p, st);
        return;
    }
    if (st->ended)
        return;
    if (p->terminal) {
        size_t len = make_line(line, width_of_terminal() - 1, st);
        int n = snprintf(out, sizeof out, "\r%.*s\033[K", (int)len, line);
        p->drawn = write(STDERR_FILENO, out, (size_t)n) == n;
        return;
    }
    uint64_t now = yk_now();
    if (now < p->next_line)
        return;
    p->next_line = now + SECOND;
    size_t len = make_line(line, 100, st);
    int n = snprintf(out, sizeof out, "%.*s\n", (int)len, line);
    p->drawn = write(STDERR_FILENO, out, (size_t)n) == n;
}

void ngram_progress_clear(ngram_progress *p)
{
    static const char clear[] = "\r\033[K";
    if (p->drawn && p->terminal)
        p->drawn = write(STDERR_FILENO, clear, sizeof clear - 1) < 0;
}
