/* loop/http/accept.h - which content coding a client is sent (RFC 9110, 12.5.3). Not installed. */
#ifndef YOKE_LOOP_HTTP_ACCEPT_H
#define YOKE_LOOP_HTTP_ACCEPT_H

/* The better one first among those that a client likes equally. */
typedef enum yk__coding { YK__ZSTD, YK__GZIP, YK__IDENTITY, YK__CODINGS } yk__coding;

extern const char *const yk__coding_names[YK__CODINGS]; /* "zstd", "gzip", "identity" */

/* The coding that the client prefers among those `offered` (bits: 1 << YK__GZIP) and none at all.
 * accept: the fields' values, joined with commas; NULL: it has none, and gets none. Where it takes
 * nothing of what there is it gets none, too, which serves it better than an error. */
yk__coding yk__coding_choose(const char *accept, unsigned offered);

#endif
