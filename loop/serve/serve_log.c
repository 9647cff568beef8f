/* The log of the supervisor. */
#include "serve_log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../../executor/text.h"

static int log_fd = -1;
static const char *log_name = "";

void yk__serve_log_open(int fd, const char *name)
{
    log_fd = fd;
    log_name = name;
}

static void add_time(yk__text *line)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    yk__text_add(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", utc.tm_year + 1900, utc.tm_mon + 1,
                 utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000);
}

void yk__serve_log(const char *format, ...)
{
    if (log_fd < 0)
        return;
    char buffer[512], message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    yk__text line;
    yk__text_start(&line, buffer, sizeof buffer);
    add_time(&line);
    yk__text_add(&line, " %s[%d]: %s\n", log_name, (int)getpid(), message);
    size_t len = line.len < sizeof buffer ? line.len : sizeof buffer - 1;
    int saved = errno;
    ssize_t written = write(log_fd, buffer, len);
    (void)written;
    errno = saved;
}
