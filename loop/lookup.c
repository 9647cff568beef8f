/* From names to addresses. libuv's threads ask; whoever waited may be gone when they answer. */
#include "lookup.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <uv.h>

#include "guest.h"
#include "spot.h"

typedef struct lookup {
    yk__guest guest; /* the first member */
    uv_getaddrinfo_t request;
    yk__spot *spot; /* NULL: nobody waits any more */
    struct addrinfo *found;
    int err;
    bool answered;
} lookup;

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    lookup *l = request->data;
    yk__guest_farewell(&l->guest);
    if (!l->spot) {
        uv_freeaddrinfo(found);
        free(l);
        return;
    }
    l->answered = true;
    l->err = status;
    l->found = found;
    yk__spot_wake(l->spot);
}

static void leave(yk__guest *guest)
{
    uv_cancel((uv_req_t *)&((lookup *)guest)->request);
}

static int begin(lookup **begun, const char *host, const char *port, const struct addrinfo *hints)
{
    yk_loop *loop = yk_loop_current();
    lookup *l = calloc(1, sizeof *l);
    if (!l)
        return UV_ENOMEM;
    l->guest.leave = leave;
    l->request.data = l;
    int err = yk__guest_welcome(&l->guest, loop);
    if (!err) {
        err = uv_getaddrinfo(yk_loop_uv(loop), &l->request, on_answer, host, port, hints);
        if (err)
            yk__guest_farewell(&l->guest);
    }
    if (err)
        free(l);
    else
        *begun = l;
    return err;
}

static int ask(const char *host, const char *port, const struct addrinfo *hints,
               struct addrinfo **found, uint64_t deadline)
{
    if (!yk_task_current())
        return YK_EONLOOP;
    lookup *l;
    int err = begin(&l, host, port, hints);
    if (err)
        return err;
    yk__spot spot = { 0 };
    l->spot = &spot;
    err = yk__spot_wait(&spot, deadline);
    l->spot = NULL;
    if (!l->answered) {
        uv_cancel((uv_req_t *)&l->request);
        return err;
    }
    if (!err && !(err = l->err))
        *found = l->found;
    else
        uv_freeaddrinfo(l->found);
    free(l);
    return err;
}

int yk__lookup(const char *host, uint16_t port, bool to_listen, struct addrinfo **found,
               uint64_t deadline)
{
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST };
    struct addrinfo *numeric;
    if (getaddrinfo(host, service, &hints, &numeric) == 0) {
        *found = numeric;
        return 0;
    }
    hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : AI_ADDRCONFIG);
    return ask(host, service, &hints, found, deadline);
}

static int unix_text(const struct sockaddr_un *address, socklen_t len, char *text, size_t size)
{
    size_t path = len > offsetof(struct sockaddr_un, sun_path)
                      ? strnlen(address->sun_path, len - offsetof(struct sockaddr_un, sun_path))
                      : 0;
    if (path >= size)
        return YK_ETOOBIG;
    memcpy(text, address->sun_path, path);
    text[path] = '\0';
    return 0;
}

int yk__address_text(const struct sockaddr_storage *address, socklen_t len, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";
    int n;
    if (address->ss_family == AF_UNIX) {
        return unix_text((const struct sockaddr_un *)address, len, text, size);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        n = snprintf(text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        n = snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
    } else {
        return UV_EINVAL;
    }
    return n < 0 || (size_t)n >= size ? YK_ETOOBIG : 0;
}
