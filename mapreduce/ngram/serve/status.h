/* mapreduce/ngram/serve/status.h - --status: a page that shows how far a running job is; the same
 * as JSON (/status.json) and for Prometheus (/metrics).
 *
 *   1. serve_status_start()
 *   2. serve_status_show()   whenever there is something new
 *   3. serve_status_stop()
 *
 * In a task. One at a time in a program.
 */
#ifndef SERVE_STATUS_H
#define SERVE_STATUS_H

#include "../progress.h"

typedef struct serve_status serve_status;

/* Serves at "127.0.0.1:8081", "[::1]:8081" or ":8081" (this machine alone), and says so on standard
 * error. NGRAM_OK, or another exit status, and it has complained. */
int serve_status_start(serve_status **status, const char *address);

/* `status` may be NULL. */
void serve_status_show(serve_status *status, const ngram_state *state);
void serve_status_stop(serve_status *status);

#endif
