/* mapreduce/ngram/serve/assets.h - the files of the page, which the build has put into the program.
 */
#ifndef SERVE_ASSETS_H
#define SERVE_ASSETS_H

#include <stddef.h>

#include "../../../loop/http/http.h"

typedef struct serve_asset {
    const char *path; /* "/style.css" */
    const char *type;
    const unsigned char *bytes;
    size_t size;
    const char *tag; /* its ETag */
} serve_asset;

/* All of them; ends with one without a path. */
extern const serve_asset serve_assets[];

/* The asset with this path; NULL: there is none. */
const serve_asset *serve_find_asset(const char *path);

/* Sends it, or 304 to a client that has it. */
int serve_send_asset(yk_http *h, const serve_asset *asset);

/* Handles what no route takes: the asset of the request's path, or 404. */
int serve_asset_handler(yk_http *h, void *unused);

/* Sets the fields that every answer has: whose scripts a page may run, and the like. */
void serve_set_policy(yk_http *h);

#endif
