/* data/unpack.h - undoing a packing, piece by piece; private to data/.
 *
 * A packed file is a sequence of members (gzip) or frames (zstd). An unpacker undoes one of them
 * after the other; reader.c feeds it and looks at what stands between them.
 */
#ifndef YOKE_DATA_UNPACK_H
#define YOKE_DATA_UNPACK_H

#include <stddef.h>
#include <stdint.h>

/* Bytes to take and room to fill; both move forward. */
typedef struct yk__flow {
    const uint8_t *in;
    size_t in_size;
    uint8_t *out;
    size_t out_size;
} yk__flow;

enum { YK__MORE = 0, YK__MEMBER_END = 1 };

typedef struct yk__unpacker {
    /* New state, or NULL when out of memory. */
    void *(*create)(void);
    void (*destroy)(void *state);
    /* Stands before a member, whatever was before. */
    void (*restart)(void *state);
    /* Goes on until `in` is empty, `out` is full (YK__MORE), the member's end (YK__MEMBER_END; it
     * was checked) or damage (YK_ECORRUPT, UV_ENOTSUP or UV_ENOMEM, and *reason in words). */
    int (*unpack)(void *state, yk__flow *flow, const char **reason);
} yk__unpacker;

extern const yk__unpacker yk__gunzip_zlib;
#ifdef YOKE_HAVE_ISAL
extern const yk__unpacker yk__gunzip_isal;
#endif
extern const yk__unpacker yk__unzstd;

/* The one that reads gzip in this process; a test may set the other before it starts. */
extern const yk__unpacker *yk__gunzip;

#endif
