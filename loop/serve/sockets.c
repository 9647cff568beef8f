/* Opening, keeping and closing the sockets of a server. */
#include "sockets.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "../../executor/error.h"
#include "../lookup.h"
#include "serve_log.h"

#define BACKLOG     4096
#define UNIX_PREFIX "unix:"

static int system_error(void)
{
    return uv_translate_sys_error(errno);
}

/* ---- Sites ----------------------------------------------------------------------------------- */

static yk__site *new_site(yk__sockets *s)
{
    yk__site *sites = realloc(s->sites, (s->n + 1) * sizeof *sites);
    if (!sites)
        return NULL;
    s->sites = sites;
    yk__site *p = &sites[s->n];
    *p = (yk__site){ .len = sizeof p->address };
    for (unsigned i = 0; i < YK_SERVE_MOST_WORKERS; i++)
        p->fds[i] = -1;
    return p;
}

/* What the site is called, from the socket that it has. */
static int name_site(yk__site *p)
{
    p->len = sizeof p->address;
    if (getsockname(p->fds[0], (struct sockaddr *)&p->address, &p->len))
        return system_error();
    bool is_unix = p->address.ss_family == AF_UNIX;
    size_t prefix = is_unix ? strlen(UNIX_PREFIX) : 0;
    memcpy(p->text, UNIX_PREFIX, prefix);
    return yk__address_text(&p->address, p->len, p->text + prefix, sizeof p->text - prefix);
}

static void keep_site(yk__sockets *s)
{
    s->n++;
    if (s->slots == 0)
        s->slots = 1;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

static int new_socket(const struct sockaddr *address, bool reuse_port)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return system_error();
    if ((address->sa_family != AF_UNIX && set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) ||
        (reuse_port && set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) ||
        (address->sa_family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0))) {
        int err = system_error();
        close(fd);
        return err;
    }
    return fd;
}

static int bind_new(const struct sockaddr *address, socklen_t len, bool reuse_port)
{
    int fd = new_socket(address, reuse_port);
    if (fd < 0 || bind(fd, address, len) == 0)
        return fd;
    int err = system_error();
    close(fd);
    return err;
}

static int listen_new(const struct sockaddr *address, socklen_t len, bool reuse_port)
{
    int fd = bind_new(address, len, reuse_port);
    if (fd < 0 || listen(fd, BACKLOG) == 0)
        return fd;
    int err = system_error();
    close(fd);
    return err;
}

/* With SO_REUSEPORT a second server on the same address would share its connections and nobody
 * would know. A socket without it is refused there. */
static int is_taken(const struct sockaddr *address, socklen_t len)
{
    int fd = bind_new(address, len, false);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

static int listen_first(const struct sockaddr *address, socklen_t len)
{
    int err = is_taken(address, len);
    return err ? err : listen_new(address, len, true);
}

/* ---- TCP ------------------------------------------------------------------------------------- */

/* Both families where there are two. */
static int listen_everywhere(uint16_t port)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6,
                                .sin6_addr = in6addr_any,
                                .sin6_port = htons(port) };
    int fd = listen_first((struct sockaddr *)&six, sizeof six);
    if (fd != UV_EAFNOSUPPORT && fd != UV_EADDRNOTAVAIL)
        return fd;
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
    return listen_first((struct sockaddr *)&four, sizeof four);
}

static int look_up(const char *host, const char *port, struct addrinfo **found)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICSERV | AI_PASSIVE };
    switch (getaddrinfo(host, port, &hints, found)) {
    case 0:
        return 0;
    case EAI_MEMORY:
        return UV_ENOMEM;
    case EAI_AGAIN:
        return UV_EAI_AGAIN;
    case EAI_SYSTEM:
        return system_error();
    default:
        return UV_EAI_NONAME;
    }
}

static int listen_on_host(const char *host, const char *port)
{
    struct addrinfo *found;
    int fd = look_up(host, port, &found);
    if (fd)
        return fd;
    fd = UV_EAI_NODATA;
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = listen_first(a->ai_addr, a->ai_addrlen);
    freeaddrinfo(found);
    return fd;
}

/* 0 to 65535 in digits, else -1. */
static int port_of(const char *digits)
{
    if (!*digits || strspn(digits, "0123456789") != strlen(digits) || strlen(digits) > 5)
        return -1;
    int port = atoi(digits);
    return port <= 65535 ? port : -1;
}

static int open_tcp(const char *text)
{
    char host[YK_ADDRESS_MAX];
    const char *colon = strrchr(text, ':');
    int port = colon ? port_of(colon + 1) : -1;
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (port < 0 || len >= sizeof host)
        return UV_EINVAL;
    if (len == 0)
        return listen_everywhere((uint16_t)port);
    bool in_brackets = text[0] == '[' && text[len - 1] == ']' && len > 2;
    if (!in_brackets && memchr(text, ':', len))
        return UV_EINVAL; /* an IPv6 address without them: where would the port begin? */
    snprintf(host, sizeof host, "%.*s", (int)len - 2 * in_brackets, text + in_brackets);
    return listen_on_host(host, colon + 1);
}

/* ---- Unix sockets ---------------------------------------------------------------------------- */

/* Whether the file is a socket on which nobody listens. */
static bool is_left_over(const struct sockaddr_un *address)
{
    struct stat file;
    if (lstat(address->sun_path, &file) || !S_ISSOCK(file.st_mode))
        return false;
    int fd = new_socket((const struct sockaddr *)address, false);
    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                   errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int open_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (!*path)
        return UV_EINVAL;
    if (strlen(path) >= sizeof address.sun_path)
        return UV_ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    if (is_left_over(&address))
        unlink(path);
    return listen_new((struct sockaddr *)&address, sizeof address, false);
}

static const char *path_of(const yk__site *p)
{
    return p->address.ss_family == AF_UNIX ? ((const struct sockaddr_un *)&p->address)->sun_path
                                           : NULL;
}

static void own_path(yk__site *p)
{
    struct stat file;
    const char *path = path_of(p);
    p->owns_path = path && *path && stat(path, &file) == 0;
    if (p->owns_path) {
        p->device = file.st_dev;
        p->inode = file.st_ino;
    }
}

/* Only if it is still the file that was made: another server may have taken its place. */
static void remove_path(const yk__site *p)
{
    struct stat file;
    if (p->owns_path && stat(path_of(p), &file) == 0 && file.st_dev == p->device &&
        file.st_ino == p->inode)
        unlink(path_of(p));
}

/* ---- For all slots --------------------------------------------------------------------------- */

int yk__sockets_add(yk__sockets *s, const char *address)
{
    bool is_unix = strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
    yk__site *p = new_site(s);
    int fd = !p        ? UV_ENOMEM
             : is_unix ? open_unix(address + strlen(UNIX_PREFIX))
                       : open_tcp(address);
    int err = fd < 0 ? fd : 0;
    if (!err) {
        p->fds[0] = fd;
        p->is_one_for_all = is_unix;
        err = name_site(p);
    }
    if (err) {
        yk__serve_log("cannot listen on %s: %s", address, yk_strerror(err));
        if (fd >= 0)
            close(fd);
        return err;
    }
    keep_site(s);
    if (is_unix)
        own_path(p);
    return 0;
}

/* One with the same address, of which there may be several; NULL: none. */
static yk__site *site_like(yk__sockets *s, const yk__site *site)
{
    for (size_t i = 0; i < s->n; i++)
        if (!site->is_one_for_all && strcmp(s->sites[i].text, site->text) == 0)
            return &s->sites[i];
    return NULL;
}

static int add_to_site(yk__sockets *s, yk__site *site, int fd)
{
    unsigned slot = 0;
    while (slot < YK_SERVE_MOST_WORKERS && site->fds[slot] >= 0)
        slot++;
    if (slot == YK_SERVE_MOST_WORKERS)
        return UV_ENOBUFS;
    site->fds[slot] = fd;
    if (s->slots <= slot)
        s->slots = slot + 1;
    return 0;
}

int yk__sockets_adopt(yk__sockets *s, int fd, bool inherits_path)
{
    int shares = 0;
    socklen_t size = sizeof shares;
    yk__site *p = new_site(s);
    if (!p)
        return UV_ENOMEM;
    p->fds[0] = fd;
    p->inherits_path = inherits_path;
    getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shares, &size);
    int err = name_site(p);
    if (err)
        return err;
    p->is_one_for_all = !shares || p->address.ss_family == AF_UNIX;
    yk__site *like = site_like(s, p);
    if (like)
        return add_to_site(s, like, fd);
    keep_site(s);
    return 0;
}

void yk__sockets_own(yk__sockets *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->sites[i].inherits_path)
            own_path(&s->sites[i]);
}

int yk__sockets_fd(const yk__sockets *s, size_t site, unsigned slot)
{
    const yk__site *p = &s->sites[site];
    return p->fds[p->is_one_for_all ? 0 : slot];
}

static void close_slot(yk__sockets *s, unsigned slot)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->sites[i].fds[slot] >= 0)
            close(s->sites[i].fds[slot]);
        s->sites[i].fds[slot] = -1;
    }
}

static int fill_slot(yk__sockets *s, unsigned slot)
{
    for (size_t i = 0; i < s->n; i++) {
        yk__site *p = &s->sites[i];
        if (p->is_one_for_all || p->fds[slot] >= 0)
            continue;
        int fd = listen_new((const struct sockaddr *)&p->address, p->len, true);
        if (fd < 0) {
            yk__serve_log("cannot listen on %s: %s", p->text, yk_strerror(fd));
            return fd;
        }
        p->fds[slot] = fd;
    }
    return 0;
}

int yk__sockets_fill(yk__sockets *s)
{
    int err = 0;
    for (unsigned slot = 0; slot < s->slots && !err; slot++)
        err = fill_slot(s, slot);
    return err;
}

int yk__sockets_grow(yk__sockets *s)
{
    int err = fill_slot(s, s->slots);
    if (err)
        close_slot(s, s->slots);
    else
        s->slots++;
    return err;
}

void yk__sockets_shrink(yk__sockets *s)
{
    close_slot(s, --s->slots);
}

void yk__sockets_close(yk__sockets *s, bool remove)
{
    for (size_t i = 0; remove && i < s->n; i++)
        remove_path(&s->sites[i]);
    for (unsigned slot = 0; slot < YK_SERVE_MOST_WORKERS; slot++)
        close_slot(s, slot);
    free(s->sites);
    *s = (yk__sockets){ 0 };
}
