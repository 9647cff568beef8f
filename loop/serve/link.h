/* loop/serve/link.h - frames between two processes of one program, over a socket. Not installed.
 *
 *   client end                          server end
 *   YK__HELLO            ->  <-         YK__HELLO       each says which image it is; see below
 *   YK__SUBMIT           ->
 *                            <-         YK__BEGAN       once or more often
 *                            <-         YK__PROGRESS    any number
 *                            <-         YK__RECORD      any number, as far as there is room
 *   YK__TAKEN            ->                             that much of them has been read
 *   YK__UNREAD           ->                             nobody will read more
 *   YK__CANCEL           ->
 *                            <-         YK__DONE or YK__FAILED, exactly once
 *
 * Both ends are forks of one program without an exec between, so functions and keys are sent as
 * their addresses, and numbers as they lie in memory. That it is so is checked: the greeting holds
 * the address of a function and a random number that was drawn before the forks.
 *
 * A frame is a head of fixed size and `len` bytes. What comes is not trusted further than that:
 * a head that cannot be, or does not fit what was sent before, ends the link with UV_EPROTO, before
 * any memory is had for it.
 *
 * A link belongs to a reactor, and everything is for its thread. What is sent leaves when the
 * reactor comes to its next turn or goes to sleep, so that what one turn sends is one system call.
 */
#ifndef YOKE_LOOP_SERVE_LINK_H
#define YOKE_LOOP_SERVE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "../../executor/reactor.h"

enum yk__frame_type {
    YK__HELLO = 1,
    YK__SUBMIT,
    YK__CANCEL,
    YK__TAKEN,
    YK__UNREAD,
    YK__BEGAN,
    YK__PROGRESS,
    YK__RECORD,
    YK__DONE,
    YK__FAILED,
};

/* The most bytes of an argument, of a result, of a record. */
#define YK__FRAME_MOST ((size_t)1 << 30)

typedef struct yk__frame {
    uint32_t type;
    uint32_t job; /* whose frame it is: a number of the client's, used again when the job is over */
    uint64_t len; /* bytes behind it */
} yk__frame;

/* Which program this is. Drawn before the first fork. */
typedef struct yk__image {
    uint64_t function;
    unsigned char lot[16];
} yk__image;

/* UV_E... */
int yk__image_draw(yk__image *image);

typedef struct yk__link yk__link;

/* Called when the reactor looks at its descriptors: never from within a call of the link's own. */
typedef struct yk__link_ops {
    /* The other end has greeted. */
    void (*up)(yk__link *link);
    /* Whether such a frame may come now. */
    bool (*expects)(yk__link *link, const yk__frame *frame);
    /* It has come. *data: its bytes, aligned for any type, good for the call; NULL: there are none,
     * or was no memory for them. Who sets it to NULL takes them over (free). Not 0: the link ends
     * with this error. */
    int (*came)(yk__link *link, const yk__frame *frame, void **data);
    /* It is down. 0: the other end has closed it. */
    void (*lost)(yk__link *link, int err);
} yk__link_ops;

#define YK__LINK_ROOM ((size_t)64 << 10)

struct yk__link {
    const yk__link_ops *ops;
    const yk__image *image;
    yk__reactor *reactor;
    yk__watch watch; /* its fd is -1 when the link is down */
    bool greeted;    /* by the other end */
    bool writes;     /* the system takes no more now */

    char *out; /* what is to be sent: [sent, len) */
    size_t out_sent, out_len, out_size;

    yk__frame frame; /* that is coming, when the head is whole */
    bool in_frame;
    char *data;    /* [frame.len]; NULL: there was no memory, and they are dropped */
    size_t have;   /* bytes of it */
    size_t in_len; /* bytes in `in` that nobody has looked at */
    char *in;      /* [YK__LINK_ROOM] */
};

/* A link that is down: zeroed memory, and this. UV_ENOMEM. */
int yk__link_init(yk__link *link, const yk__link_ops *ops, const yk__image *image,
                  yk__reactor *reactor);
void yk__link_free(yk__link *link); /* closes it, without a word */

/* Up, over a connected socket, which is the link's from then on, also where this fails. */
int yk__link_open(yk__link *link, int fd);
void yk__link_close(yk__link *link); /* without `lost` */
static inline bool yk__link_is_open(const yk__link *link)
{
    return link->watch.fd >= 0;
}

/* Sends a frame; its bytes are copied. A link that is down drops it. UV_ENOMEM. */
int yk__link_send(yk__link *link, enum yk__frame_type type, uint32_t job,
                  const struct iovec *pieces, size_t n);

/* Has the system take what is to be sent: from the owner's source, in each turn and before each
 * sleep. */
void yk__link_flush(yk__link *link);

#endif
