/* mapreduce/inputs.c - opening the inputs and cutting them into pieces. */
#include "engine.h"
#include "records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { LARGEST_PIECE = 4 << 20, SMALLEST_PIECE = 256 << 10, PIECES_PER_WORKER = 8 };

/* ---- Opening ------------------------------------------------------------------------------- */

/* Whether it must stay open: a pipe, or a descriptor that was inherited. All others are closed
 * again, for there may be more of them than descriptors. */
static bool must_stay_open(const yk__file *f)
{
    return !f->about.regular || f->path[0] == '\0';
}

static int open_input(yk_input **input, const yk__file *f)
{
    return f->path[0] ? yk_input_open(input, f->path)
                      : yk_input_open_fd(input, STDIN_FILENO, f->name);
}

static int open_file(yk__engine *e, yk__file *f, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    f->path = is_stdin ? "" : path;
    f->name = is_stdin ? "standard input" : path;
    int err = open_input(&f->input, f);
    if (err)
        return yk__explain(e, err, "%s: %s", f->name, yk_strerror(err));
    f->about = *yk_input_about(f->input);
    f->about.name = NULL;
    f->is_stream = !f->about.splittable || must_stay_open(f) || !yk__are_lines(&e->o.splitter);
    if (!must_stay_open(f)) {
        yk_input_close(f->input);
        f->input = NULL;
    }
    return 0;
}

/* The same pipe cannot be read twice. */
static int refuse_second_stdin(yk__engine *e)
{
    size_t n = 0;
    for (const char *const *path = e->o.inputs; *path; path++)
        n += strcmp(*path, "-") == 0;
    return n > 1 ? yk__explain(e, UV_EINVAL, "standard input can be read only once") : 0;
}

static uint64_t total_size(const yk__engine *e)
{
    uint64_t total = 0;
    for (size_t i = 0; i < e->n_files; i++) {
        uint64_t size = e->files[i].about.size;
        if (size == YK_SIZE_UNKNOWN || __builtin_add_overflow(total, size, &total))
            return YK_SIZE_UNKNOWN;
    }
    return total;
}

/* Pieces small enough that every worker gets several, and large enough that a job's cost does not
 * show. */
static size_t choose_piece(const yk__engine *e, uint64_t total)
{
    if (e->o.split_size)
        return e->o.split_size;
    uint64_t size = total / (e->workers * PIECES_PER_WORKER);
    size = size > LARGEST_PIECE ? LARGEST_PIECE : size < SMALLEST_PIECE ? SMALLEST_PIECE : size;
    return size < e->spill.budget.piece ? (size_t)size : e->spill.budget.piece;
}

/* ---- Cutting ------------------------------------------------------------------------------- */

int yk__add_piece(yk__file *f, yk__chunk chunk, uint64_t text)
{
    if (f->n_pieces == YK__PIECES_MAX)
        return UV_E2BIG;
    if (f->n_pieces == f->cap_pieces) {
        size_t cap = f->cap_pieces ? f->cap_pieces * 2 : 64;
        yk__piece *pieces = realloc(f->pieces, cap * sizeof *pieces);
        if (!pieces)
            return UV_ENOMEM;
        f->pieces = pieces;
        f->cap_pieces = cap;
    }
    f->pieces[f->n_pieces++] = (yk__piece){ .chunk = chunk, .text_before = f->text };
    if (f->text != YK_SIZE_UNKNOWN)
        f->text = text == YK_SIZE_UNKNOWN ? text : f->text + text;
    return 0;
}

static int find_ranges(yk__file *f, size_t piece, size_t *n)
{
    yk_input *input;
    int err = open_input(&input, f);
    if (err)
        return err;
    err = yk_input_ranges(input, piece, &f->ranges, n);
    yk_input_close(input);
    return err;
}

static int cut_file(yk__engine *e, yk__file *f, size_t piece)
{
    yk__stream_init(&f->stream, f->path, f->name, f->input ? yk_input_fd(f->input) : -1, piece,
                    &e->o.splitter);
    if (f->is_stream)
        return 0;
    size_t n = 0;
    int err = find_ranges(f, piece, &n);
    if (err)
        return yk__explain(e, err, "%s: %s", f->name, yk_strerror(err));
    for (size_t i = 0; !err && i < n; i++)
        err = yk__add_piece(f, (yk__chunk){ 0 }, f->ranges[i].content);
    return err;
}

int yk__inputs_open(yk__engine *e)
{
    while (e->o.inputs[e->n_files])
        e->n_files++;
    if (e->n_files > YK__FILES_MAX)
        return yk__explain(e, UV_E2BIG, "more than %d inputs", YK__FILES_MAX);
    e->files = calloc(e->n_files, sizeof *e->files);
    if (!e->files)
        return UV_ENOMEM;
    int err = refuse_second_stdin(e);
    for (size_t i = 0; !err && i < e->n_files; i++)
        err = open_file(e, &e->files[i], e->o.inputs[i]);
    if (!err)
        err = yk__spill_budget(e);
    if (err)
        return err;
    uint64_t total = total_size(e);
    e->stats.stored_total = total == YK_SIZE_UNKNOWN ? 0 : total;
    size_t piece = choose_piece(e, total);
    if (e->o.journal) {
        err = yk__journal_open(e, piece);
        piece = e->journal.piece;
    }
    for (size_t i = 0; !err && i < e->n_files; i++)
        err = cut_file(e, &e->files[i], piece);
    return err || !e->o.journal ? err : yk__journal_load(e);
}

/* ---- Giving back --------------------------------------------------------------------------- */

static void free_file(yk__file *f)
{
    for (size_t i = 0; i < f->n_pieces; i++) {
        free(f->pieces[i].search);
        yk__chunk_free(&f->pieces[i].chunk);
    }
    for (size_t i = 0; i < f->n_spare; i++)
        yk__chunk_free(&f->spare[i]);
    yk__stream_free(&f->stream);
    yk_input_close(f->input);
    free(f->spare);
    free(f->pieces);
    free(f->ranges);
    free(f->done);
}

void yk__inputs_free(yk__engine *e)
{
    for (size_t i = 0; e->files && i < e->n_files; i++)
        free_file(&e->files[i]);
    free(e->files);
    e->files = NULL;
    e->n_files = 0;
}
