/* From names to addresses, and from addresses to text. */
#include "lookup.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <uv.h>

#include "../executor/error.h"
#include "dns.h"

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
    return yk_getaddrinfo(host, service, &hints, found, deadline);
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
