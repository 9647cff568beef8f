/* yoke/executor/trace.h - what happened when, to be looked at in Perfetto.
 *
 *   yk_trace_start("run.json");
 *   ...
 *   yk_trace_stop();
 *
 * or, without a change to the program that calls yk_init() or yk_main(): YOKE_TRACE=run.json in its
 * environment. The file opens in https://ui.perfetto.dev and in chrome://tracing (the Trace Event
 * Format, as a JSON array). It shows, of all executors of the process:
 *
 *   - a line for each worker, thread or process, with a slice for each job that it ran: its name,
 *     and as arguments how it ended and its id;
 *   - how long each job waited, as an asynchronous slice of category "queue" with the same id;
 *   - moments: workers that started, died (with the wait status), were sent a signal; cancellations
 *     that were asked for; time limits that passed.
 *
 * Jobs that are submitted while no trace is written do not appear in one. While none is written,
 * the places that would tell of something cost one load each. While one is, each event costs some
 * 100 ns more; it is handed to a thread that writes the file every 20 ms and whenever much has come
 * together. What that thread is too slow for is dropped and counted.
 *
 * A program that crashes or is killed leaves a file without its end, which both viewers read: at
 * most the last 20 ms are missing. (A job on a thread is there from its beginning on; one in a
 * worker process when it has ended.)
 */
#ifndef YOKE_EXECUTOR_TRACE_H
#define YOKE_EXECUTOR_TRACE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts to write a trace to a new file (an old one is overwritten), or to a descriptor that stays
 * the caller's and must stay open until the stop. Any thread. Call it after yk_init(), since it
 * starts a thread. UV_EALREADY if a trace is being written; UV_E... */
int yk_trace_start(const char *path);
int yk_trace_start_fd(int fd);

/* Writes what has happened so far, and the end. The end of the process does it, too. Returns 0,
 * UV_EINVAL if no trace is being written, or the first error of writing it (what came after that is
 * missing). Blocks for as long as the writing takes. */
int yk_trace_stop(void);

/* How many events the trace that is being written, or else the last one, lacks. The last event of
 * the file says it too. */
uint64_t yk_trace_dropped(void);

#ifdef __cplusplus
}
#endif
#endif
