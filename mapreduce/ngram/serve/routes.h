/* mapreduce/ngram/serve/routes.h - what may be asked of the server. */
#ifndef SERVE_ROUTES_H
#define SERVE_ROUTES_H

#include "../../../loop/http/http.h"

/* What programs ask; openapi.json describes it. Ends with one without a pattern. */
extern const yk_http_route serve_routes[];

#endif
