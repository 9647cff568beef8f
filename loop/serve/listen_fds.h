/* loop/serve/listen_fds.h - sockets that a program is given when it starts, by systemd's protocol:
 * LISTEN_FDS of them from descriptor 3 on, for the process LISTEN_PID, with LISTEN_FDNAMES. Not
 * installed.
 */
#ifndef YOKE_LOOP_SERVE_LISTEN_FDS_H
#define YOKE_LOOP_SERVE_LISTEN_FDS_H

#include "sockets.h"

/* Takes them, those for the status by their name: several of one address are for as many slots. The
 * variables are removed. 0, also where there are none; an error, which is logged: one of them is no
 * socket that listens. */
int yk__listen_fds_take(yk__sockets *s, yk__sockets *status);

/* In a process that is about to execute a program: gives it the sockets, and `link` at the next
 * number, which is returned; or an error. */
int yk__listen_fds_give(const yk__sockets *s, const yk__sockets *status, int link);

#endif
