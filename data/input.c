/* data/input.c - looks at a file before it is read, and cuts it into ranges. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "data/reader.h"
#include "data/seek_table.h"
#include "data/zstd_frames.h"
#include "executor/error.h"

#define TARGET ((uint64_t)16 << 20)

struct yk_input {
    yk__source source;
    char *name;
    yk_input_info info;
};

/* ---- opening ---- */

/* Which packing? `bytes` are read where reading will begin. */
static int look(yk_input *in)
{
    uint8_t bytes[4];
    yk__source source = yk__input_source(in); /* its place moves, the input's does not */
    int64_t got = yk__source_read(&source, bytes, sizeof bytes);
    if (got < 0)
        return (int)got;
    in->info.packing = yk__packing_of(bytes, (size_t)got);
    return 0;
}

/* Are there two frames with text? */
static bool has_frames(const yk_input *in)
{
    const yk__source *s = &in->source;
    yk__frame frame;
    int frames = 0;
    for (uint64_t at = s->at; at < s->end && frames < 2; at += frame.stored) {
        if (yk__zstd_frame(&frame, s->fd, at, s->end) < 0)
            return frames > 0; /* one, and something unreadable behind it */
        frames += !frame.skippable;
    }
    return frames == 2;
}

static int examine(yk_input *in, const char *name, const struct stat *status)
{
    in->name = strdup(name);
    if (!in->name)
        return UV_ENOMEM;
    in->info = (yk_input_info){
        .name = in->name,
        .regular = in->source.regular,
        .size = YK_SIZE_UNKNOWN,
        .device = status->st_dev,
        .inode = status->st_ino,
    };
    if (!in->source.regular)
        return 0;
    in->info.size = in->source.end > in->source.at ? in->source.end - in->source.at : 0;
    int err = look(in);
    in->info.splittable =
        !err && (in->info.packing == YK_PLAIN || (in->info.packing == YK_ZSTD && has_frames(in)));
    return err;
}

static int make(yk_input **input, const char *name, yk__source *source, const struct stat *status)
{
    yk_input *in = calloc(1, sizeof *in);
    if (!in) {
        yk__source_close(source);
        return UV_ENOMEM;
    }
    in->source = *source;
    int err = examine(in, name, status);
    if (err) {
        yk_input_close(in);
        return err;
    }
    *input = in;
    return 0;
}

int yk_input_open(yk_input **input, const char *path)
{
    yk__source source;
    struct stat status;
    int err = yk__source_open(&source, path, &status);
    return err ? err : make(input, path, &source, &status);
}

int yk_input_open_fd(yk_input **input, int fd, const char *name)
{
    yk__source source;
    struct stat status;
    int err = yk__source_open_fd(&source, fd, &status);
    return err ? err : make(input, name, &source, &status);
}

const yk_input_info *yk_input_about(const yk_input *input)
{
    return &input->info;
}

int yk_input_fd(const yk_input *input)
{
    return input->source.fd;
}

yk__source yk__input_source(const yk_input *input)
{
    yk__source source = input->source;
    source.own = false;
    return source;
}

void yk_input_close(yk_input *input)
{
    if (!input)
        return;
    yk__source_close(&input->source);
    free(input->name);
    free(input);
}

/* ---- ranges ---- */

typedef struct list {
    yk_range *ranges;
    size_t count, room;
} list;

static int append(list *l, const yk_range *range)
{
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 16;
        yk_range *ranges = reallocarray(l->ranges, room, sizeof *ranges);
        if (!ranges)
            return UV_ENOMEM;
        l->ranges = ranges;
        l->room = room;
    }
    l->ranges[l->count] = *range;
    l->ranges[l->count].first = l->count == 0;
    l->count++;
    return 0;
}

/* A range that begins at `begin`, and so far ends there. */
static yk_range range_at(const yk_input *in, uint64_t begin)
{
    return (yk_range){
        .begin = begin,
        .end = begin,
        .device = in->info.device,
        .inode = in->info.inode,
        .file_size = in->source.end,
        .packing = (uint32_t)in->info.packing,
    };
}

static int cut_nowhere(const yk_input *in, list *l)
{
    yk_range range = range_at(in, in->source.at);
    range.end = in->source.regular ? in->source.end : YK_SIZE_UNKNOWN;
    range.content = YK_SIZE_UNKNOWN;
    return append(l, &range);
}

/* Pieces of the same size, give or take a byte. */
static int cut_plain(const yk_input *in, uint64_t target, list *l)
{
    uint64_t size = in->info.size;
    uint64_t count = size / target + (size % target > target / 2);
    count = count ? count : 1;
    uint64_t piece = size / count, longer = size % count;
    uint64_t at = in->source.at;
    for (uint64_t i = 0; i < count; i++) {
        yk_range range = range_at(in, at);
        range.content = piece + (i < longer);
        range.end = at += range.content;
        int err = append(l, &range);
        if (err)
            return err;
    }
    return 0;
}

static void add_content(yk_range *range, uint64_t content)
{
    bool known = range->content != YK_SIZE_UNKNOWN && content != YK_SIZE_UNKNOWN;
    range->content = known ? range->content + content : YK_SIZE_UNKNOWN;
}

/* What a frame is worth against the target: its text, or a guess where it does not tell. */
static uint64_t weight(const yk__frame *frame)
{
    return frame->content == YK_SIZE_UNKNOWN ? 5 * frame->stored : frame->content;
}

/* Groups of whole frames. */
typedef struct grouping {
    const yk_input *in;
    uint64_t target;
    list *list;
    yk_range range; /* the group so far */
    uint64_t weight;
} grouping;

static int add_frame(grouping *g, const yk__frame *frame)
{
    uint64_t more = weight(frame);
    if (g->weight > 0 && g->weight + more / 2 > g->target) {
        int err = append(g->list, &g->range);
        if (err)
            return err;
        g->range = range_at(g->in, g->range.end);
        g->weight = 0;
    }
    g->weight += more;
    add_content(&g->range, frame->content);
    g->range.end += frame->stored;
    return 0;
}

/* What cannot be walked is left to the last range. */
static int walk_frames(grouping *g)
{
    const yk__source *s = &g->in->source;
    int err = 0;
    while (!err && g->range.end < s->end) {
        yk__frame frame;
        if (yk__zstd_frame(&frame, s->fd, g->range.end, s->end) < 0) {
            add_content(&g->range, YK_SIZE_UNKNOWN);
            g->range.end = s->end;
        } else {
            err = add_frame(g, &frame);
        }
    }
    return err;
}

/* The frames as the seek table has them, and the table's own. */
static int take_frames(grouping *g, const yk__seek_table *table)
{
    int err = 0;
    for (size_t i = 0; !err && i < table->count; i++)
        err = add_frame(g, &(yk__frame){ .stored = table->entries[i].stored,
                                         .content = table->entries[i].content });
    g->range.end = g->in->source.end;
    return err;
}

static int cut_frames(const yk_input *in, uint64_t target, list *l)
{
    const yk__source *s = &in->source;
    grouping g = { .in = in, .target = target, .list = l, .range = range_at(in, s->at) };
    yk__seek_table *table = NULL;
    int err = yk__seek_table_read(&table, s->fd, s->at, s->end, NULL);
    if (err == YK__SEEK_GOOD)
        err = take_frames(&g, table);
    else if (err != UV_ENOMEM)
        err = walk_frames(&g);
    free(table);
    return err ? err : append(l, &g.range);
}

int yk_input_ranges(const yk_input *input, uint64_t target, yk_range **ranges, size_t *count)
{
    list l = { 0 };
    int err = 0;
    target = target ? target : TARGET;
    if (input->info.size == 0)
        ;
    else if (!input->info.splittable)
        err = cut_nowhere(input, &l);
    else if (input->info.packing == YK_ZSTD)
        err = cut_frames(input, target, &l);
    else
        err = cut_plain(input, target, &l);
    if (err) {
        free(l.ranges);
        return err;
    }
    *ranges = l.ranges;
    *count = l.count;
    return 0;
}
