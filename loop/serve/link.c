/* Frames over a socket: see link.h. */
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* ---- The image ------------------------------------------------------------------------------- */

int yk__image_draw(yk__image *image)
{
    *image = (yk__image){ .function = (uint64_t)(uintptr_t)yk__image_draw };
    return getrandom(image->lot, sizeof image->lot, 0) == sizeof image->lot ? 0 : -errno;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void ready(yk__watch *watch);

int yk__link_init(yk__link *link, const yk__link_ops *ops, const yk__image *image,
                  yk__reactor *reactor)
{
    link->ops = ops;
    link->image = image;
    link->reactor = reactor;
    link->watch = (yk__watch){ .fd = -1, .readable = ready };
    link->in = malloc(YK__LINK_ROOM);
    return link->in ? 0 : UV_ENOMEM;
}

void yk__link_free(yk__link *link)
{
    yk__link_close(link);
    free(link->in);
    link->in = NULL;
}

void yk__link_close(yk__link *link)
{
    if (!yk__link_is_open(link))
        return;
    yk__reactor_unwatch(link->reactor, &link->watch);
    close(link->watch.fd);
    link->watch.fd = -1;
    link->greeted = link->writes = link->in_frame = false;
    free(link->out);
    free(link->data);
    link->out = link->data = NULL;
    link->out_sent = link->out_len = link->out_size = link->in_len = 0;
}

static void lose(yk__link *link, int err)
{
    if (!yk__link_is_open(link))
        return;
    yk__link_close(link);
    link->ops->lost(link, err);
}

int yk__link_open(yk__link *link, int fd)
{
    link->watch.fd = fd;
    link->watch.events = EPOLLIN;
    int err = yk__reactor_watch(link->reactor, &link->watch);
    if (err) {
        close(fd);
        link->watch.fd = -1;
        return err;
    }
    err = yk__link_send(link, YK__HELLO, 0,
                        &(struct iovec){ (void *)link->image, sizeof *link->image }, 1);
    if (err)
        yk__link_close(link);
    return err;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static bool make_room(yk__link *link, size_t more)
{
    if (link->out_sent > 0) {
        memmove(link->out, link->out + link->out_sent, link->out_len - link->out_sent);
        link->out_len -= link->out_sent;
        link->out_sent = 0;
    }
    if (link->out_size - link->out_len >= more)
        return true;
    size_t size = link->out_size ? link->out_size : 4096;
    while (size - link->out_len < more)
        size *= 2;
    char *out = realloc(link->out, size);
    if (!out)
        return false;
    link->out = out;
    link->out_size = size;
    return true;
}

static void append(yk__link *link, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(link->out + link->out_len, bytes, len);
    link->out_len += len;
}

int yk__link_send(yk__link *link, enum yk__frame_type type, uint32_t job,
                  const struct iovec *pieces, size_t n)
{
    if (!yk__link_is_open(link))
        return 0;
    yk__frame frame = { .type = type, .job = job };
    for (size_t i = 0; i < n; i++)
        frame.len += pieces[i].iov_len;
    if (link->out_size - link->out_len < sizeof frame + frame.len &&
        !make_room(link, sizeof frame + frame.len))
        return UV_ENOMEM;
    append(link, &frame, sizeof frame);
    for (size_t i = 0; i < n; i++)
        append(link, pieces[i].iov_base, pieces[i].iov_len);
    return 0;
}

static void watch_for_room(yk__link *link, bool on)
{
    if (on == link->writes)
        return;
    link->writes = on;
    link->watch.events = on ? EPOLLIN | EPOLLOUT : EPOLLIN;
    yk__reactor_unwatch(link->reactor, &link->watch);
    yk__reactor_watch(link->reactor, &link->watch); /* there was room for it a moment ago */
}

/* A large one is not kept for what may never come. */
static void all_is_sent(yk__link *link)
{
    link->out_sent = link->out_len = 0;
    if (link->out_size > YK__LINK_ROOM) {
        free(link->out);
        link->out = NULL;
        link->out_size = 0;
    }
    watch_for_room(link, false);
}

/* An error is seen again when the link is read. */
void yk__link_flush(yk__link *link)
{
    while (yk__link_is_open(link) && link->out_len > link->out_sent) {
        ssize_t n = send(link->watch.fd, link->out + link->out_sent, link->out_len - link->out_sent,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            watch_for_room(link, true);
            return;
        }
        link->out_sent += (size_t)n;
    }
    if (link->out_len > 0)
        all_is_sent(link);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static int greeted(yk__link *link, const void *data)
{
    if (memcmp(data, link->image, sizeof *link->image) != 0)
        return UV_EPROTO;
    link->greeted = true;
    link->ops->up(link);
    return 0;
}

static bool is_expected(yk__link *link)
{
    const yk__frame *frame = &link->frame;
    if (frame->type == YK__HELLO || !link->greeted)
        return frame->type == YK__HELLO && !link->greeted && frame->len == sizeof(yk__image);
    return frame->len <= YK__FRAME_MOST + YK__LINK_ROOM && link->ops->expects(link, frame);
}

/* Looks at what has come, and returns how much of it is done with; negative: an error. */
static ssize_t look(yk__link *link, char *bytes, size_t len)
{
    if (!link->in_frame) {
        if (len < sizeof link->frame)
            return 0;
        memcpy(&link->frame, bytes, sizeof link->frame);
        if (!is_expected(link))
            return UV_EPROTO;
        link->in_frame = true;
        link->have = 0;
        link->data = link->frame.len ? malloc(link->frame.len) : NULL;
        return sizeof link->frame;
    }
    size_t part = link->frame.len - link->have < len ? link->frame.len - link->have : len;
    if (link->data && part > 0)
        memcpy(link->data + link->have, bytes, part);
    link->have += part;
    return (ssize_t)part;
}

static int hand_on(yk__link *link)
{
    yk__frame frame = link->frame;
    void *data = link->data, *left = data;
    link->in_frame = false;
    link->data = NULL;
    if (frame.len > 0 && !data && frame.type == YK__HELLO)
        return UV_ENOMEM;
    int err = frame.type == YK__HELLO ? greeted(link, data) : link->ops->came(link, &frame, &left);
    free(left);
    return err;
}

static int take(yk__link *link, size_t len)
{
    size_t at = 0;
    int err = 0;
    while (!err && yk__link_is_open(link)) {
        ssize_t n = look(link, link->in + at, len - at);
        if (n < 0)
            return (int)n;
        at += (size_t)n;
        if (link->in_frame && link->have == link->frame.len)
            err = hand_on(link);
        else if (n == 0)
            break;
    }
    if (!yk__link_is_open(link))
        return 0;
    memmove(link->in, link->in + at, len - at);
    link->in_len = len - at;
    return err;
}

/* What is missing of a long frame goes where it belongs. */
static ssize_t receive(yk__link *link)
{
    char *to = link->in + link->in_len;
    size_t room = YK__LINK_ROOM - link->in_len;
    bool in_place = link->in_frame && link->data && link->frame.len - link->have >= room;
    if (in_place) {
        to = link->data + link->have;
        room = link->frame.len - link->have;
    }
    ssize_t n = recv(link->watch.fd, to, room, 0);
    if (n <= 0)
        return n < 0 ? -errno : UV_EOF;
    if (!in_place) {
        int err = take(link, link->in_len + (size_t)n);
        return err ? err : n;
    }
    link->have += (size_t)n;
    int err = link->have == link->frame.len ? hand_on(link) : 0;
    return err ? err : n;
}

static void ready(yk__watch *watch)
{
    yk__link *link = (yk__link *)((char *)watch - offsetof(yk__link, watch));
    if (watch->came & EPOLLOUT)
        yk__link_flush(link);
    ssize_t n = yk__link_is_open(link) ? receive(link) : 0;
    if (n < 0 && n != UV_EAGAIN && n != UV_EINTR)
        lose(link, n == UV_EOF ? 0 : (int)n);
}
