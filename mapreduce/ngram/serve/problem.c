/* mapreduce/ngram/serve/problem.c - what could not be done. */
#include "problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <uv.h>

#include "assets.h"
#include "buffer.h"

void serve_write_problem(yk_writer *to, int status, const char *detail)
{
    yk_write_text(to, "{\"title\":");
    serve_write_string(to, yk_http_reason(status));
    yk_write_text(to, ",\"status\":");
    yk_write_u64(to, (uint64_t)status);
    yk_write_text(to, ",\"detail\":");
    serve_write_string(to, detail);
    yk_write_text(to, "}");
}

static int send_problem(yk_http *h, int status, const char *detail)
{
    serve_buffer b;
    yk_writer *to = serve_buffer_begin(&b);
    if (to)
        serve_write_problem(to, status, detail);
    int err = serve_buffer_end(&b);
    serve_set_policy(h);
    if (status == 503)
        yk_http_set(h, "Retry-After", "1");
    if (!err)
        err = yk_http_send(h, status, "application/problem+json", b.out.memory, b.out.len);
    serve_buffer_free(&b);
    return err;
}

int serve_problem(yk_http *h, int status, const char *format, ...)
{
    char detail[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    return send_problem(h, status, detail);
}

int serve_job_status(const yk_error *error, const char **detail)
{
    *detail = error->message;
    switch (error->code) {
    case UV_EINVAL:
        return 400;
    case YK_EFULL:
        *detail = "too many questions wait already; ask again in a moment";
        return 503;
    case YK_EJOBTIMEOUT:
        *detail = "it took too long; ask for less";
        return 504;
    case YK_ECORRUPT:
    case YK_ETRUNCATED:
        *detail = "the store is damaged; make it again with ngram index";
        return 500;
    default:
        return 500;
    }
}

int serve_job_problem(yk_http *h, const yk_error *error)
{
    const char *detail;
    int status = serve_job_status(error, &detail);
    return error->code == YK_ECANCELED ? error->code : send_problem(h, status, detail);
}
