/* mapreduce/ngram/serve/events.c - server-sent events. */
#include "events.h"

#include <inttypes.h>
#include <stdio.h>

#include "buffer.h"
#include "problem.h"

int serve_event_progress(yk_http *h, uint64_t done, uint64_t total)
{
    char data[100];
    snprintf(data, sizeof data, "{\"done\":%" PRIu64 ",\"total\":%" PRIu64 "}", done, total);
    return yk_http_event(h, "progress", data);
}

int serve_event_problem(yk_http *h, const yk_error *error)
{
    serve_buffer b;
    const char *detail;
    int status = serve_job_status(error, &detail);
    yk_writer *to = serve_buffer_begin(&b);
    if (to)
        serve_write_problem(to, status, detail);
    if (to)
        yk_write(to, "", 1);
    int err = serve_buffer_end(&b);
    if (!err)
        err = yk_http_event(h, "failed", b.out.memory);
    serve_buffer_free(&b);
    return err;
}
