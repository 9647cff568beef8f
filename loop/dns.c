/* Names and addresses: the system's blocking calls, as errands. */
#include "dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "errand.h"

/* As libuv numbers them. */
static int translate(int code, int system_error)
{
    static const int known[][2] = {
        { 0, 0 },
        { EAI_AGAIN, UV_EAI_AGAIN },
        { EAI_BADFLAGS, UV_EAI_BADFLAGS },
        { EAI_FAIL, UV_EAI_FAIL },
        { EAI_FAMILY, UV_EAI_FAMILY },
        { EAI_MEMORY, UV_EAI_MEMORY },
        { EAI_NONAME, UV_EAI_NONAME },
        { EAI_OVERFLOW, UV_EAI_OVERFLOW },
        { EAI_SERVICE, UV_EAI_SERVICE },
        { EAI_SOCKTYPE, UV_EAI_SOCKTYPE },
        { EAI_ADDRFAMILY, UV_EAI_ADDRFAMILY },
        { EAI_NODATA, UV_EAI_NODATA },
    };
    if (code == EAI_SYSTEM)
        return system_error ? -system_error : UV_EAI_FAIL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i][0] == code)
            return known[i][1];
    return UV_EAI_FAIL;
}

/* ---- By name --------------------------------------------------------------------------------- */

struct lookup {
    yk__errand errand;
    char *host, *service;
    bool has_hints;
    struct addrinfo hints, *found;
};

static int look_up(yk__errand *e, yk_job *job)
{
    struct lookup *l = (struct lookup *)e;
    (void)job;
    int code = getaddrinfo(l->host, l->service, l->has_hints ? &l->hints : NULL, &l->found);
    return translate(code, errno);
}

static void free_lookup(yk__errand *e)
{
    struct lookup *l = (struct lookup *)e;
    if (l->found)
        freeaddrinfo(l->found);
    free(l->host);
    free(l->service);
    free(l);
}

static char *copy(const char *text, bool *failed)
{
    char *copied = text ? strdup(text) : NULL;
    *failed |= text && !copied;
    return copied;
}

static struct lookup *new_lookup(const char *host, const char *service,
                                 const struct addrinfo *hints)
{
    struct lookup *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    bool failed = false;
    l->errand = (yk__errand){ .run = look_up, .free = free_lookup };
    l->host = copy(host, &failed);
    l->service = copy(service, &failed);
    l->has_hints = hints != NULL;
    if (hints)
        l->hints = *hints;
    if (!failed)
        return l;
    free_lookup(&l->errand);
    return NULL;
}

int yk_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **found, uint64_t deadline)
{
    struct lookup *l = new_lookup(host, service, hints);
    if (!l)
        return UV_ENOMEM;
    int err = yk__errand_run(&l->errand, deadline);
    if (err == 0) {
        *found = l->found;
        l->found = NULL;
    }
    yk__errand_unref(&l->errand);
    return err;
}

/* ---- By address ------------------------------------------------------------------------------ */

struct naming {
    yk__errand errand;
    struct sockaddr_storage address;
    socklen_t len;
    int flags;
    bool host_wanted, service_wanted;
    char host[NI_MAXHOST], service[NI_MAXSERV];
};

static int find_names(yk__errand *e, yk_job *job)
{
    struct naming *n = (struct naming *)e;
    (void)job;
    int code =
        getnameinfo((const struct sockaddr *)&n->address, n->len, n->host_wanted ? n->host : NULL,
                    n->host_wanted ? sizeof n->host : 0, n->service_wanted ? n->service : NULL,
                    n->service_wanted ? sizeof n->service : 0, n->flags);
    return translate(code, errno);
}

static void free_naming(yk__errand *e)
{
    free(e);
}

static bool fits(const char *text, size_t size)
{
    return size == 0 || strlen(text) < size;
}

static int hand_over(const struct naming *n, char *host, size_t host_size, char *service,
                     size_t service_size)
{
    if (!fits(n->host, host_size) || !fits(n->service, service_size))
        return UV_EAI_OVERFLOW;
    if (host_size)
        memcpy(host, n->host, strlen(n->host) + 1);
    if (service_size)
        memcpy(service, n->service, strlen(n->service) + 1);
    return 0;
}

int yk_getnameinfo(const struct sockaddr *address, socklen_t len, char *host, size_t host_size,
                   char *service, size_t service_size, int flags, uint64_t deadline)
{
    if (!address || len > sizeof(struct sockaddr_storage))
        return UV_EINVAL;
    struct naming *n = calloc(1, sizeof *n);
    if (!n)
        return UV_ENOMEM;
    n->errand = (yk__errand){ .run = find_names, .free = free_naming };
    memcpy(&n->address, address, len);
    n->len = len;
    n->flags = flags;
    n->host_wanted = host_size > 0;
    n->service_wanted = service_size > 0;
    int err = yk__errand_run(&n->errand, deadline);
    if (err == 0)
        err = hand_over(n, host, host_size, service, service_size);
    yk__errand_unref(&n->errand);
    return err;
}
