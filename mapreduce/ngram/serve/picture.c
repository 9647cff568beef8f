/* mapreduce/ngram/serve/picture.c - charts drawn by gnuplot. */
#include "picture.h"

#include <uv.h>

#include "../../../executor/error.h"
#include "../../../loop/subprocess.h"
#include "../../../loop/sync.h"
#include "assets.h"
#include "problem.h"

enum { AT_ONCE = 2, LONGEST_MS = 20 * 1000, LARGEST = 8 << 20 };

static yk_semaphore drawing = { .value = AT_ONCE };

static int send_drawn(yk_http *h, const yk_output *o, int err)
{
    if (err == YK_ECANCELED)
        return err;
    if (err == UV_ENOENT)
        return serve_problem(h, 501,
                             "drawings are made by gnuplot, which this server does not "
                             "have; install it (Debian: gnuplot-nox)");
    if (err == UV_ETIMEDOUT)
        return serve_problem(h, 504, "gnuplot took too long; ask for less");
    if (err || o->exit.code != 0 || o->out_len == 0)
        return serve_problem(h, 500, "gnuplot failed: %s", err ? yk_strerror(err) : "no picture");
    serve_set_policy(h);
    yk_http_set(h, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    return yk_http_send(h, 200, "image/svg+xml", o->out, o->out_len);
}

int serve_send_picture(yk_http *h, const char *script, size_t len)
{
    static const char *const argv[] = { "gnuplot", NULL };
    yk_output o;
    int err = yk_semaphore_acquire(&drawing, yk_after_ms(LONGEST_MS));
    if (err)
        return err;
    err = yk_run(&o, yk_after_ms(LONGEST_MS), .argv = argv, .input = script, .input_len = len,
                 .limit = LARGEST);
    yk_semaphore_release(&drawing);
    err = send_drawn(h, &o, err);
    yk_output_free(&o);
    return err;
}
