/* loop/http/encoder.h - compressing a body a piece at a time. Not installed. */
#ifndef YOKE_LOOP_HTTP_ENCODER_H
#define YOKE_LOOP_HTTP_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "accept.h"

enum { YK__ENCODED = 16 << 10 }; /* bytes that come out of a step, at most */

typedef struct yk__encoder {
    struct yk__encoder *next; /* among spares */
    yk__coding coding;
    void *state;   /* a ZSTD_CCtx or a z_stream */
    uint64_t left; /* of the body, that has not come; UINT64_MAX: nobody knows */
    size_t len;    /* what has come out, */
    char out[YK__ENCODED];
} yk__encoder;

/* What a step does when it has taken all that it was given. */
typedef enum yk__encode { YK__GO_ON, YK__FLUSH, YK__FINISH } yk__encode;

/* For zstd or gzip; costs some hundred KiB of memory. NULL: no memory. */
yk__encoder *yk__encoder_new(yk__coding coding);

/* For another body, of `size` bytes; UINT64_MAX: not known. */
void yk__encoder_reset(yk__encoder *e, uint64_t size);

/* So much more of the body comes, or it ends. YK_ETOOBIG, YK_ETRUNCATED: against what was said. */
int yk__encoder_count(yk__encoder *e, size_t len, yk__encode what);

/* Takes from *data, moves it and *len on, and leaves in e->out what came out. 1: call it again with
 * what is left, which may be nothing; 0: done; negative: an error. */
int yk__encoder_step(yk__encoder *e, const char **data, size_t *len, yk__encode what);

/* Takes NULL. */
void yk__encoder_free(yk__encoder *e);

#endif
