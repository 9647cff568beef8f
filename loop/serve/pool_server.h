/* loop/serve/pool_server.h - the process that has the shared pool. Not installed.
 *
 * It runs a process pool on its loop, answers at the door (pool_door.h), and does for each
 * connection what its client asks for: see link.h. A client whose connection ends has its jobs
 * cancelled, down to the workers. Its pool has no bound of its own: the clients have.
 */
#ifndef YOKE_LOOP_SERVE_POOL_SERVER_H
#define YOKE_LOOP_SERVE_POOL_SERVER_H

#include "../../executor/executor.h"
#include "pool_door.h"

typedef struct yk__pool_server yk__pool_server;

/* In a task. The door, of which it needs the inside, must stay open. UV_ENOMEM, ...; a pool that
 * cannot be made is told to the clients, by each of their jobs. */
int yk__pool_server_start(yk__pool_server **server, const yk__pool_door *door,
                          const yk_pool_options *options);

/* Done when nobody is connected and nobody can knock any more. The server's. */
yk_future *yk__pool_server_over(yk__pool_server *server);

/* How many clients are connected, and how many of their jobs are open. */
size_t yk__pool_server_clients(const yk__pool_server *server);
size_t yk__pool_server_jobs(const yk__pool_server *server);

/* In a task: cuts all connections, waits for the ends of their jobs, closes the pool, and frees
 * it. What yk_executor_close() returns. */
int yk__pool_server_stop(yk__pool_server *server);

/* A main task: serves until nobody can knock any more. `service`: a yk__pool_service. */
typedef struct yk__pool_service {
    const yk__pool_door *door;
    const yk_pool_options *options;
} yk__pool_service;
int yk__pool_serve(void *service);

#endif
