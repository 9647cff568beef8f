/* loop/listen.h - what servers want of a listener beside net.h. Not installed. */
#ifndef YOKE_LOOP_LISTEN_H
#define YOKE_LOOP_LISTEN_H

#include "net.h"

/* Waits until there is a connection to accept, or somebody else has accepted it. As yk_accept(). */
int yk__accept_wait(yk_listener *l);

#endif
