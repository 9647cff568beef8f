/* yoke/loop/terminal.h - the program's own input and output as streams, and terminals.
 *
 * A stream on standard input has a descriptor of its own: closing it leaves the program's open, and
 * other programs that share the pipe or terminal do not notice that ours is non-blocking. Nothing
 * is read before somebody reads; what was read ahead, only this stream has. So make one, and keep
 * it. For the loop's thread.
 */
#ifndef YOKE_LOOP_TERMINAL_H
#define YOKE_LOOP_TERMINAL_H

#include <stdbool.h>

#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Pipes, terminals, sockets, and whatever a shell redirects to. The stream is the caller's. What
 * yk_stream_open() returns; UV_EBADF: there is no such descriptor. */
int yk_stream_stdin(yk_stream **stream);
int yk_stream_stdout(yk_stream **stream);
int yk_stream_stderr(yk_stream **stream);

bool yk_stream_is_terminal(const yk_stream *s);

/* Raw: every key comes at once, unechoed, Ctrl-C as a byte like any other. The terminal is as it
 * was before after `raw` false, and when the program exits (not when it is killed, nor for
 * _exit()). UV_ENOTTY: no terminal; UV_EBUSY: another one is raw. */
int yk_terminal_set_raw(yk_stream *s, bool raw);

/* In characters. UV_ENOTTY. */
int yk_terminal_size(const yk_stream *s, int *columns, int *rows);

#ifdef __cplusplus
}
#endif
#endif
