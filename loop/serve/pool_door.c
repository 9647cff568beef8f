/* The way to the shared pool: see pool_door.h. */
#include "pool_door.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Packets, so that each brings one descriptor, whoever else knocks at the same time. */
int yk__pool_door_open(yk__pool_door *door)
{
    int fds[2], err = yk__image_draw(&door->image);
    door->outside = door->inside = -1;
    if (err)
        return err;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
        return -errno;
    door->outside = fds[0];
    door->inside = fds[1];
    return 0;
}

void yk__pool_door_close(yk__pool_door *door)
{
    shut(&door->outside);
    shut(&door->inside);
}

void yk__pool_door_stay_outside(yk__pool_door *door)
{
    shut(&door->inside);
}

void yk__pool_door_stay_inside(yk__pool_door *door)
{
    shut(&door->outside);
}

/* ---- One descriptor in a packet -------------------------------------------------------------- */

typedef union one_fd {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
} one_fd;

static int send_fd(int through, int fd)
{
    one_fd control = { 0 };
    char knock = 'k';
    struct iovec iov = { &knock, 1 };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                           .cmsg_type = SCM_RIGHTS,
                           .cmsg_len = CMSG_LEN(sizeof fd) };
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(through, &m, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static int receive_fd(int through, int *fd)
{
    one_fd control = { 0 };
    char knock;
    struct iovec iov = { &knock, 1 };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };
    ssize_t n = recvmsg(through, &m, MSG_CMSG_CLOEXEC);
    if (n <= 0)
        return n < 0 ? -errno : UV_EOF;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof *fd))
        return UV_EPROTO;
    memcpy(fd, CMSG_DATA(c), sizeof *fd);
    return 0;
}

int yk__pool_door_knock(const yk__pool_door *door, int *fd)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
        return -errno;
    int err = send_fd(door->outside, ends[1]);
    close(ends[1]);
    if (err)
        close(ends[0]);
    else
        *fd = ends[0];
    return err;
}

int yk__pool_door_answer(const yk__pool_door *door, int *fd)
{
    return receive_fd(door->inside, fd);
}
