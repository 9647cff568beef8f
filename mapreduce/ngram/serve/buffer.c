/* mapreduce/ngram/serve/buffer.c - text that is written into memory. */
#include "buffer.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../text.h"

yk_writer *serve_buffer_begin(serve_buffer *b)
{
    yk__output_open_memory(&b->out);
    b->to = calloc(1, sizeof *b->to);
    if (b->to)
        b->to->out = &b->out;
    return b->to;
}

int serve_buffer_end(serve_buffer *b)
{
    return b->to ? yk__writer_flush(b->to) : UV_ENOMEM;
}

void serve_buffer_free(serve_buffer *b)
{
    yk__output_abandon(&b->out);
    free(b->to);
    b->to = NULL;
}

void serve_write_string(yk_writer *to, const char *text)
{
    ngram_write_json(to, (yk_str){ text, strlen(text) });
}
