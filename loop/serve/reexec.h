/* loop/serve/reexec.h - the program is replaced by a new one on the same sockets. Not installed.
 *
 * The old supervisor forks, and executes the program's path with its arguments. The two are joined
 * by a socket pair: the new one writes a byte when its workers are ready, and the old one drains
 * and ends, which the new one sees as the end of the pair. If the pair ends before the byte has
 * come, the new one has failed, and the old one goes on.
 */
#ifndef YOKE_LOOP_SERVE_REEXEC_H
#define YOKE_LOOP_SERVE_REEXEC_H

#include "supervisor.h"

/* Of the path, before anything: the file may be another later. And the link, in a new program. */
void yk__reexec_open(yk__supervisor *s);
void yk__reexec_close(yk__supervisor *s);

/* In the old one: starts the new one; looks what has become of it; it died; it is to die. */
void yk__reexec_start(yk__supervisor *s);
void yk__reexec_look(yk__supervisor *s);
bool yk__reexec_reaped(yk__supervisor *s, pid_t pid);
void yk__reexec_kill(yk__supervisor *s, int sig);

/* In the new one: says that it is ready. */
void yk__reexec_ready(yk__supervisor *s);

#endif
