/* mapreduce/ngram/serve/events.h - server-sent events: what is said while a search runs.
 *
 *   progress  {"done": 1000, "total": 5000}
 *   hits      what was found so far (search.h)
 *   done      what was found, and the end
 *   failed    why not (problem.h), and the end
 */
#ifndef SERVE_EVENTS_H
#define SERVE_EVENTS_H

#include <stdint.h>

#include "../../../executor/error.h"
#include "../../../loop/http/http.h"

int serve_event_progress(yk_http *h, uint64_t done, uint64_t total);
int serve_event_problem(yk_http *h, const yk_error *error);

#endif
