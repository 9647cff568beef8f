/* Listening and accepting.
 *
 * Accepting is a system call of our own and not libuv's: where descriptors have run out, libuv
 * closes connections that wait, while here they go on waiting.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "lookup.h"
#include "net.h"
#include "listen.h"
#include "spot.h"

#define BACKLOG    4096
#define FAIR_SHARE 64 /* connections that a task may accept before others run */

struct yk_listener {
    yk_loop *loop;
    int fd;
    yk__watch watch;
    bool watched;
    yk__spot spot;
    unsigned inside; /* calls that are suspended in it */
    bool closed;
    uint64_t turn; /* of the loop, in which it accepted so many: */
    unsigned accepted;
    char *path; /* of a Unix socket that was made here, and which file that was */
    dev_t device;
    ino_t inode;
};

static int system_error(void)
{
    return uv_translate_sys_error(errno);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int make_listener(yk_listener **listener, int fd)
{
    yk_listener *l = calloc(1, sizeof *l);
    if (!l)
        return UV_ENOMEM;
    l->loop = yk_loop_current();
    l->fd = fd;
    *listener = l;
    return 0;
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

static int bind_to(int fd, const struct sockaddr *address, socklen_t len,
                   const yk_listen_options *options)
{
    int err = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!err && options->reuse_port)
        err = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (!err && address->sa_family == AF_INET6)
        err = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (!err)
        err = bind(fd, address, len);
    if (!err)
        err = listen(fd, options->backlog > 0 ? options->backlog : BACKLOG);
    return err ? system_error() : 0;
}

static int listen_on(yk_listener **listener, const struct sockaddr *address, socklen_t len,
                     const yk_listen_options *options)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return system_error();
    int err = bind_to(fd, address, len, options);
    if (!err)
        err = make_listener(listener, fd);
    if (err)
        close(fd);
    return err;
}

/* Both families where there are two. */
static int listen_everywhere(yk_listener **listener, uint16_t port,
                             const yk_listen_options *options)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6,
                                .sin6_addr = in6addr_any,
                                .sin6_port = htons(port) };
    int err = listen_on(listener, (struct sockaddr *)&six, sizeof six, options);
    if (err != UV_EAFNOSUPPORT && err != UV_EADDRNOTAVAIL)
        return err;
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
    return listen_on(listener, (struct sockaddr *)&four, sizeof four, options);
}

int yk_listen_opts(yk_listener **listener, const char *host, uint16_t port,
                   const yk_listen_options *options)
{
    static const yk_listen_options none;
    options = options ? options : &none;
    if (!yk_loop_current())
        return UV_EINVAL;
    if (!host)
        return listen_everywhere(listener, port, options);
    struct addrinfo *found;
    int err = yk__lookup(host, port, true, &found, YK_FOREVER);
    if (err)
        return err;
    err = UV_EAI_NODATA;
    for (const struct addrinfo *a = found; a && err; a = a->ai_next)
        err = listen_on(listener, a->ai_addr, a->ai_addrlen, options);
    freeaddrinfo(found);
    return err;
}

int yk_listen_fd(yk_listener **listener, int fd)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    if (!yk_loop_current() || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) ||
        !listens)
        return UV_EINVAL;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
        return system_error();
    return make_listener(listener, fd);
}

/* ---- Unix sockets ---------------------------------------------------------------------------- */

/* Whether the file is a socket on which nobody listens. */
static bool is_left_over(const struct sockaddr_un *address)
{
    struct stat file;
    if (lstat(address->sun_path, &file) || !S_ISSOCK(file.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                   errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int remember_path(yk_listener *l, const char *path)
{
    struct stat file;
    l->path = strdup(path);
    if (!l->path || stat(path, &file)) {
        free(l->path);
        l->path = NULL;
        return UV_ENOMEM;
    }
    l->device = file.st_dev;
    l->inode = file.st_ino;
    return 0;
}

static void remove_path(const yk_listener *l)
{
    struct stat file;
    if (l->path && stat(l->path, &file) == 0 && file.st_dev == l->device && file.st_ino == l->inode)
        unlink(l->path);
}

int yk_listen_unix(yk_listener **listener, const char *path)
{
    static const yk_listen_options none;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (!yk_loop_current() || !path || !*path)
        return UV_EINVAL;
    if (strlen(path) >= sizeof address.sun_path)
        return UV_ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    if (is_left_over(&address))
        unlink(path);
    yk_listener *l;
    int err = listen_on(&l, (struct sockaddr *)&address, sizeof address, &none);
    if (err)
        return err;
    err = remember_path(l, path);
    if (err)
        yk_listener_close(l);
    else
        *listener = l;
    return err;
}

/* ---- Accepting ------------------------------------------------------------------------------- */

/* What accept() returns for a connection that is no more (see its manual). */
static bool is_of_the_connection(int err)
{
    switch (err) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
        return true;
    default:
        return false;
    }
}

static int accept_one(int listening)
{
    int fd;
    do
        fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    while (fd < 0 && is_of_the_connection(errno));
    return fd < 0 ? system_error() : fd;
}

/* Not while the loop polls the descriptor, whose number would be another's. */
static void free_if_unused(yk_listener *l)
{
    if (!l->closed || l->inside > 0)
        return;
    close(l->fd);
    free(l->path);
    free(l);
}

/* After a suspension: it may be gone. */
static int come_back(yk_listener *l, int err)
{
    l->inside--;
    if (!l->closed)
        return err;
    free_if_unused(l);
    return YK_ECLOSED;
}

static void unwatch(yk_listener *l)
{
    if (l->watched)
        yk__reactor_unwatch(&l->loop->reactor, &l->watch);
    l->watched = false;
}

static void on_connection(yk__watch *watch)
{
    yk_listener *l = (yk_listener *)((char *)watch - offsetof(yk_listener, watch));
    unwatch(l);
    yk__spot_wake(&l->spot);
}

static const yk__wait_kind for_connection = { "a connection", NULL };

static int wait_for_one(yk_listener *l, uint64_t deadline)
{
    l->watch = (yk__watch){ .fd = l->fd, .readable = on_connection, .events = EPOLLIN };
    int err = yk__reactor_watch(&l->loop->reactor, &l->watch);
    if (err)
        return err;
    l->watched = true;
    l->inside++;
    err = yk__spot_wait(&l->spot, &for_connection, l, deadline);
    unwatch(l);
    return come_back(l, err);
}

/* Those who connect without a pause must not keep the loop from all others. */
static int be_fair(yk_listener *l)
{
    uint64_t turn = l->loop->reactor.turns;
    if (turn != l->turn || !yk_task_current()) {
        l->turn = turn;
        l->accepted = 0;
    }
    if (l->accepted++ < FAIR_SHARE)
        return 0;
    l->accepted = 0;
    l->inside++;
    return come_back(l, yk_yield());
}

int yk_accept_fd(yk_listener *l, int *fd, uint64_t deadline)
{
    if (!l || !yk__loop_is_mine(l->loop))
        return UV_EINVAL;
    int err = be_fair(l);
    while (!err) {
        if (yk__spot_is_taken(&l->spot))
            return UV_EBUSY;
        int accepted = accept_one(l->fd);
        if (accepted >= 0) {
            *fd = accepted;
            return 0;
        }
        if (accepted != UV_EAGAIN)
            return accepted;
        err = deadline ? wait_for_one(l, deadline) : UV_ETIMEDOUT;
    }
    return err;
}

int yk__accept_wait(yk_listener *l)
{
    return yk__spot_is_taken(&l->spot) ? UV_EBUSY : wait_for_one(l, YK_FOREVER);
}

int yk_accept(yk_listener *l, yk_stream **stream, uint64_t deadline)
{
    int fd, err = yk_accept_fd(l, &fd, deadline);
    if (err)
        return err;
    err = yk_stream_open(stream, fd);
    if (err)
        close(fd);
    return err;
}

/* ---- Addresses, and the end ------------------------------------------------------------------ */

int yk_listener_address(const yk_listener *l, char *text, size_t size)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getsockname(l->fd, (struct sockaddr *)&address, &len))
        return system_error();
    return yk__address_text(&address, len, text, size);
}

uint16_t yk_listener_port(const yk_listener *l)
{
    union {
        struct sockaddr_storage any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address;
    socklen_t len = sizeof address;
    if (getsockname(l->fd, (struct sockaddr *)&address.any, &len))
        return 0;
    if (address.any.ss_family == AF_INET)
        return ntohs(address.four.sin_port);
    return address.any.ss_family == AF_INET6 ? ntohs(address.six.sin6_port) : 0;
}

void yk_listener_close(yk_listener *l)
{
    if (!l)
        return;
    remove_path(l);
    l->closed = true;
    yk__spot_wake(&l->spot);
    free_if_unused(l);
}
