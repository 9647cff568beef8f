/* The soak of the server mode: visitors who behave, and attackers who do not, for as long as is
 * wished; between the rounds everybody leaves, and the server must be as it was.
 *
 *   server_soak.c       the program: rounds, what the server's processes hold, the table at the end
 *   server_site.c       the server, in processes of its own: two workers, small limits
 *   server_visitors.c   they ask for everything that the site has, and check every answer
 *   server_attackers.c  requests that are none, slow ones, floods, clients that leave
 */
#ifndef TESTS_SOAK_SERVER_SOAK_H
#define TESTS_SOAK_SERVER_SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dice.h"
#include "loop/net.h"

/* ---- The site -------------------------------------------------------------------------------- */

enum { SITE_WORKERS = 2 };

/* Serves until SIGTERM, at this port of 127.0.0.1 (0: any). *bound: the port, once it is ready.
 * Returns the exit status. */
int site_serve(int argc, char **argv, uint16_t port, _Atomic uint16_t *bound);

enum { SITE_FILE_SIZE = 100000 };
extern char site_file[64]; /* its path */

/* The byte at a place of everything large. */
static inline char site_byte(size_t i)
{
    return (char)('a' + i % 23);
}

/* ---- Who comes ------------------------------------------------------------------------------- */

typedef struct crowd {
    uint16_t port;
    uint64_t seed;
    bool time_is_up;
    uint64_t requests, connections, attacks, refusals; /* answers of 4xx and 5xx to attackers */
    uint64_t wrong;
} crowd;

/* One of them, until the time is up. */
void visitor_live(crowd *c, uint64_t stream);
void attacker_live(crowd *c, uint64_t stream);

/* Asks for each thing that the site has, on a connection of its own. */
void visitor_look_around(crowd *c);

/* Says on standard error what should not have been, and counts it. */
__attribute__((format(printf, 2, 3))) void wrong(crowd *c, const char *format, ...);

#endif
