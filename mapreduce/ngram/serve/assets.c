/* mapreduce/ngram/serve/assets.c - the files of the page. */
#include "assets.h"

#include <string.h>

const serve_asset *serve_find_asset(const char *path)
{
    for (const serve_asset *a = serve_assets; a->path; a++)
        if (strcmp(a->path, path) == 0)
            return a;
    return NULL;
}

void serve_set_policy(yk_http *h)
{
    yk_http_set(h, "Content-Security-Policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
    yk_http_set(h, "X-Content-Type-Options", "nosniff");
    yk_http_set(h, "Referrer-Policy", "no-referrer");
    yk_http_set(h, "Cache-Control", "no-cache"); /* ask whether it is still the same */
}

static bool has(const yk_http *h, const serve_asset *asset)
{
    const char *tags = yk_http_header(h, "If-None-Match");
    return tags && strstr(tags, asset->tag);
}

int serve_send_asset(yk_http *h, const serve_asset *asset)
{
    serve_set_policy(h);
    yk_http_set(h, "ETag", asset->tag);
    if (has(h, asset))
        return yk_http_send(h, 304, NULL, NULL, 0);
    return yk_http_send(h, 200, asset->type, asset->bytes, asset->size);
}

int serve_asset_handler(yk_http *h, void *unused)
{
    (void)unused;
    const char *method = yk_http_method(h);
    const serve_asset *asset = serve_find_asset(yk_http_path(h));
    serve_set_policy(h);
    if (!asset)
        return yk_http_error(h, 404,
                             "There is nothing at %s; the page is at /, and what programs "
                             "may ask at /api/openapi.json",
                             yk_http_path(h));
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return serve_send_asset(h, asset);
    yk_http_set(h, "Allow", "GET, HEAD");
    return yk_http_error(h, 405, "%s may only be read", yk_http_path(h));
}
