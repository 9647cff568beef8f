/* yoke/loop/dns.h - names and addresses, as the system resolves them.
 *
 *   struct addrinfo *found, hints = { .ai_socktype = SOCK_STREAM };
 *   int err = yk_getaddrinfo("example.org", "443", &hints, &found, yk_after_ms(5000));
 *   if (err)
 *       return err;                                        (UV_EAI_NONAME, UV_ETIMEDOUT, ...)
 *   for (struct addrinfo *a = found; a; a = a->ai_next)
 *       ...
 *   freeaddrinfo(found);
 *
 * For tasks. The look-up runs on a thread of the loop's default executor (offload.h), and is left
 * to it where the deadline passes or the task is cancelled. Beside the resolver's own errors
 * (UV_EAI_...) the calls return UV_ETIMEDOUT; YK_ECANCELED; YK_EONLOOP outside a task, UV_EINVAL
 * without a loop; UV_ENOMEM; and what the executor refuses jobs with.
 */
#ifndef YOKE_LOOP_DNS_H
#define YOKE_LOOP_DNS_H

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../executor/clock.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As getaddrinfo(3), whose list *found is: free it with freeaddrinfo(). `hints` may be NULL, and
 * one of `host` and `service`. */
int yk_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **found, uint64_t deadline);

/* As getnameinfo(3): the names of an address into room of the caller's, NULL and 0 for what is not
 * wanted. `flags`: NI_... */
int yk_getnameinfo(const struct sockaddr *address, socklen_t len, char *host, size_t host_size,
                   char *service, size_t service_size, int flags, uint64_t deadline);

#ifdef __cplusplus
}
#endif
#endif
