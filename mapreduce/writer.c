/* mapreduce/writer.c - buffered text, and the sink that comes with the engine. */
#include "writer.h"

#include <string.h>
#include <uv.h>

int yk__writer_flush(yk_writer *w)
{
    if (!w->err && w->len > 0)
        w->err = yk__output_write(w->out, w->buffer, w->len, w->job);
    w->len = 0;
    return w->err;
}

int yk_writer_file(const yk_writer *to)
{
    return to->out->direct ? UV_EINVAL : to->out->fd;
}

int yk_write(yk_writer *to, const void *bytes, size_t len)
{
    if (len > sizeof to->buffer - to->len && yk__writer_flush(to))
        return to->err;
    if (len > sizeof to->buffer)
        return to->err = yk__output_write(to->out, bytes, len, to->job);
    memcpy(to->buffer + to->len, bytes, len);
    to->len += len;
    return to->err;
}

int yk_write_text(yk_writer *to, const char *text)
{
    return yk_write(to, text, strlen(text));
}

int yk_write_u64(yk_writer *to, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    return yk_write(to, digits + at, sizeof digits - at);
}

static void write_columns(yk_writer *to, yk_str value)
{
    const uint64_t *column = (const uint64_t *)value.at;
    for (size_t i = 0; i < value.len / sizeof *column; i++) {
        yk_write(to, "\t", 1);
        yk_write_u64(to, column[i]);
    }
}

static int tsv_record(yk_writer *to, yk_str key, yk_str value, void *arg)
{
    (void)arg;
    yk_write(to, key.at, key.len);
    if (to->form.grouped) {
        yk_write(to, "\t", 1);
        yk_write(to, value.at, value.len);
    } else {
        write_columns(to, value);
    }
    return yk_write(to, "\n", 1);
}

yk_sink yk_sink_tsv(const char *path)
{
    return (yk_sink){ .path = path, .record = tsv_record };
}
