/* yoke/loop/http/log.h - an access log that holds nobody up.
 *
 *   yk_http_log *log;
 *   int err = yk_http_log_open(&log, "access.log");
 *   yk_http_service web = { .handler = hello, .log = log };
 *   ...
 *   yk_http_log_close(log);                              (when nobody is served any more)
 *
 * A line for each answer, in the "combined" format of the common servers, and the time it took in
 * seconds at its end:
 *
 *   192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] "GET /a HTTP/1.1" 200 13 "-" "curl/7.88.1" 0.000087
 *
 * A client that left before it was answered is 499. What a client sent stands there with control
 * characters, quotes and backslashes as \xHH.
 *
 * Lines gather in memory, and a thread writes them a moment later. Where the disk is slower than
 * the requests, lines are dropped and counted, and the log says how many:
 *
 *   # 17 lines were dropped
 *
 * One that was opened before a fork serves the child as well: it has a thread of its own there, and
 * opens the file anew. Lines of several processes do not mix.
 */
#ifndef YOKE_LOOP_HTTP_LOG_H
#define YOKE_LOOP_HTTP_LOG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_http_log yk_http_log;

typedef struct yk_http_log_options {
    size_t most_unwritten; /* bytes of lines that wait; 0: 1 MiB, 16 KiB is the least */
    uint64_t delay_ms;     /* how long a line waits for others; 0: 200 ms */
} yk_http_log_options;

/* Opens a file, which is appended to and made if there is none. Anywhere. 0, UV_ENOMEM, or what
 * open(2) says. */
int yk_http_log_open_opts(yk_http_log **log, const char *path, const yk_http_log_options *options);
#define yk_http_log_open(log, path) yk_http_log_open_opts((log), (path), NULL)
#define yk_http_log_open_with(log, path, ...) \
    yk_http_log_open_opts((log), (path), &(yk_http_log_options){ __VA_ARGS__ })

/* Opens the path anew, as after the file was renamed; lines from now on go there. Does not wait.
 * Where it cannot be opened, the old file goes on. Any thread. */
void yk_http_log_reopen(yk_http_log *log);

/* How many lines were dropped in this process, or could not be written. Any thread. */
uint64_t yk_http_log_dropped(yk_http_log *log);

/* Waits until the system has all lines that were added so far: 0, or UV_ETIMEDOUT after two
 * seconds. It blocks the thread so long. A worker of yk_serve() does this at its end. */
int yk_http_log_flush(yk_http_log *log);

/* Writes what is left, and frees it. A disk that takes nothing is given up after two seconds: 0, or
 * UV_ETIMEDOUT. It blocks the thread so long. Takes NULL. */
int yk_http_log_close(yk_http_log *log);

#ifdef __cplusplus
}
#endif
#endif
