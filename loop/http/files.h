/* yoke/loop/http/files.h - answering with files.
 *
 *   yk_http_files *site;
 *   int err = yk_http_files_open(&site, "/srv/www");
 *   ...
 *   { "GET", "/static/{path...}", yk_http_serve_files, site },     (a route, or the service's
 * handler)
 *   ...
 *   yk_http_files_close(site);
 *
 * or one that the handler chooses:
 *
 *   return yk_http_send_file(h, "/srv/reports/2024.pdf", NULL);
 *
 * Both answer HEAD, ranges (also several, RFC 9110, 14), and conditional requests (13) by ETag and
 * Last-Modified; the type goes by the name. A client that takes it gets NAME.zst or NAME.gz instead
 * of NAME where that lies beside it; so large files are compressed once, by whoever puts them
 * there.
 *
 * What is in the system's cache is sent by the loop, without a copy where the connection is not
 * encrypted; for the rest threads of the loop's default executor wait for the disk. The loop itself
 * does not.
 *
 * For handlers: the results are theirs to return.
 */
#ifndef YOKE_LOOP_HTTP_FILES_H
#define YOKE_LOOP_HTTP_FILES_H

#include <stdbool.h>

#include "http.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A folder and what lies beneath it. Any number of loops and processes may use it. */
typedef struct yk_http_files yk_http_files;

typedef struct yk_http_files_options {
    const char *index;         /* what is sent for a folder; NULL: "index.html"; "": nothing, 404 */
    const char *cache_control; /* the field of that name; NULL: none is sent */
    bool hidden; /* also names that begin with a dot, which are 404 else (but .well-known) */
} yk_http_files_options;

/* Opens the folder, which is meant from then on whatever becomes of its name. Anywhere, also before
 * a fork. Strings are copied. 0, UV_ENOMEM, UV_ENOENT, UV_ENOTDIR, UV_EACCES, ... */
int yk_http_files_open_opts(yk_http_files **files, const char *root,
                            const yk_http_files_options *options);
#define yk_http_files_open(files, root) yk_http_files_open_opts((files), (root), NULL)
#define yk_http_files_open_with(files, root, ...) \
    yk_http_files_open_opts((files), (root), &(yk_http_files_options){ __VA_ARGS__ })

/* When nobody is served any more. Takes NULL. */
void yk_http_files_close(yk_http_files *files);

/* A handler, with a yk_http_files: answers with the file that the route's {rest...} names, or the
 * whole path where the route has none. Nothing outside of the folder is ever opened: symbolic links
 * that lead out of it, and absolute ones, are 404, as is what is no file. A folder without its
 * slash is 301, what may not be read 403. */
int yk_http_serve_files(yk_http *h, void *files);

/* Answers with the file of that path, which is the program's choice and not the client's; 404 if
 * there is none. `type`: of what is in it; NULL: by its name. */
int yk_http_send_file(yk_http *h, const char *path, const char *type);

#ifdef __cplusplus
}
#endif
#endif
