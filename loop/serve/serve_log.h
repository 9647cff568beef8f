/* loop/serve/serve_log.h - a line for each event in a server's life. Not installed.
 *
 *   2026-01-31T12:00:00.000Z web[4711]: worker 3 (process 4715) is ready
 */
#ifndef YOKE_LOOP_SERVE_SERVE_LOG_H
#define YOKE_LOOP_SERVE_SERVE_LOG_H

/* Where the lines go (-1: nowhere), and who writes them. */
void yk__serve_log_open(int fd, const char *name);

/* One line, with one write; a line that cannot be written is lost. */
void yk__serve_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
