/* loop/lookup.h - from names to addresses, without blocking the loop. Not installed. */
#ifndef YOKE_LOOP_LOOKUP_H
#define YOKE_LOOP_LOOKUP_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

/* The addresses of a host, for stream sockets on this port; to be freed with freeaddrinfo(). A
 * numeric one needs no wait, and no task. `to_listen`: those that one can listen on. */
int yk__lookup(const char *host, uint16_t port, bool to_listen, struct addrinfo **found,
               uint64_t deadline);

/* The system's text for an address; "" for a Unix socket without a name. 0 or YK_ETOOBIG. */
int yk__address_text(const struct sockaddr_storage *address, socklen_t len, char *text,
                     size_t size);

#endif
