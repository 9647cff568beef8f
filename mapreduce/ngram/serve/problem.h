/* mapreduce/ngram/serve/problem.h - what could not be done, as RFC 9457 has it:
 *
 *   {"title": "Bad Request", "status": 400, "detail": "smooth: must be a whole number ..."}
 */
#ifndef SERVE_PROBLEM_H
#define SERVE_PROBLEM_H

#include "../../../executor/error.h"
#include "../../../loop/http/http.h"
#include "../../sink.h"

/* The detail is cut at some 1,000 bytes. */
int serve_problem(yk_http *h, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What a job failed with: a status that fits. YK_ECANCELED, where the client has left, is passed
 * on. */
int serve_job_problem(yk_http *h, const yk_error *error);

/* The same as an object, to be written where an answer has begun already. */
void serve_write_problem(yk_writer *to, int status, const char *detail);

/* The status and the words for a job's error. */
int serve_job_status(const yk_error *error, const char **detail);

#endif
