/* loop/http/log_internal.h - what goes into the access log. Not installed. */
#ifndef YOKE_LOOP_HTTP_LOG_INTERNAL_H
#define YOKE_LOOP_HTTP_LOG_INTERNAL_H

#include "log.h"

typedef struct yk__http_entry {
    const char *peer, *method, *target; /* "": not known */
    int minor;                          /* HTTP/1.minor */
    int status;
    uint64_t bytes;              /* of the body that was sent */
    uint64_t ns;                 /* that it took */
    const char *referer, *agent; /* NULL: it said none */
} yk__http_entry;

/* Adds a line; never waits for the disk. */
void yk__http_log_add(yk_http_log *log, const yk__http_entry *e);

#endif
