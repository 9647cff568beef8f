/* mapreduce/ngram/serve/buffer.h - text that is written into memory.
 *
 *   serve_buffer b;
 *   yk_writer *to = serve_buffer_begin(&b);
 *   ... yk_write_text(to, ...), unless it is NULL ...
 *   int err = serve_buffer_end(&b);
 *   ... b.out.memory, b.out.len ...
 *   serve_buffer_free(&b);
 */
#ifndef SERVE_BUFFER_H
#define SERVE_BUFFER_H

#include "../../writer.h"

typedef struct serve_buffer {
    yk__output out;
    yk_writer *to;
} serve_buffer;

yk_writer *serve_buffer_begin(serve_buffer *b); /* NULL: out of memory */
int serve_buffer_end(serve_buffer *b);          /* 0, or UV_ENOMEM at any time before */
void serve_buffer_free(serve_buffer *b);

/* "name": "text" and the like. */
void serve_write_string(yk_writer *to, const char *text);

#endif
