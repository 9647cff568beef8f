/* data/reader.h - the text of a file, unpacked; private to data/ (input.h has the public part).
 *
 * A reader may be given a limit in stored bytes: it ends there as at the file's end (a packed one
 * at the first member's or frame's end at or behind it), and goes on once the limit is lifted.
 */
#ifndef YOKE_DATA_READER_H
#define YOKE_DATA_READER_H

#include "data/input.h"
#include "data/read_ahead.h"
#include "data/source.h"
#include "data/unpack.h"

#define YK__IN_SIZE ((size_t)1 << 20) /* stored bytes held at once */

struct yk_reader {
    char *name;
    yk__source source;
    yk_packing packing;
    uint64_t start; /* the source's place where reading began */
    uint64_t limit; /* a place in the source; YK_SIZE_UNKNOWN: none */

    uint8_t *in; /* stored bytes read and not yet taken: in[in_at] to in[in_end - 1] */
    size_t in_at, in_end;
    bool in_last;          /* no more in the source */
    yk__read_ahead *ahead; /* reads the source, or NULL */

    const yk__unpacker *unpacker; /* that made `state`; both stay for the next file */
    void *state;
    bool inside;  /* a member or frame */
    bool further; /* not before the first one */

    int failed;
    char message[512];
};

/* Begins with `source`, which becomes the reader's even on failure. `packing` YK_UNKNOWN: told
 * from the first bytes. The reader is zeroed memory or was ended. */
int yk__reader_begin(yk_reader *reader, const char *name, const yk__source *source,
                     yk_packing packing, uint64_t limit);

/* Reads a regular file that still grows: from its descriptor's offset, which moves; ready(fd, arg)
 * is called before each read, and what is there when it has returned 0 is all until the next. The
 * descriptor stays the caller's. */
int yk__reader_open_growing(yk_reader **reader, int fd, const char *name,
                            int (*ready)(int fd, void *arg), void *arg);

/* Lets go of the file; buffers, state and message stay. */
void yk__reader_end(yk_reader *reader);

/* Frees what the reader holds, not the reader. */
void yk__reader_drop(yk_reader *reader);

static inline void yk__reader_lift_limit(yk_reader *reader)
{
    reader->limit = YK_SIZE_UNKNOWN;
}

/* The place in the source of the next byte to be unpacked. */
static inline uint64_t yk__reader_place(const yk_reader *reader)
{
    return reader->source.at - (reader->in_end - reader->in_at);
}

/* Puts "NAME: what" into the message and returns `code`, as all further reads will. */
int yk__reader_fail(yk_reader *reader, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Which packing begins with these bytes? */
yk_packing yk__packing_of(const uint8_t *bytes, size_t size);

/* A source of one's own at the input's beginning; the descriptor stays the input's. */
yk__source yk__input_source(const yk_input *input);

/* How an error of opening `name` reads. */
int yk__open_failed(char *message, size_t size, const char *name, int code);

#endif
