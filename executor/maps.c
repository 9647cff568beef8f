/* Reads /proc/self/maps, in a signal handler too: no memory is allocated, no stream opened. */
#include "maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const char *hex(const char *text, uint64_t *value)
{
    uint64_t n = 0;
    for (;; text++) {
        if (*text >= '0' && *text <= '9')
            n = n << 4 | (uint64_t)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            n = n << 4 | (uint64_t)(*text - 'a' + 10);
        else
            break;
    }
    *value = n;
    return text;
}

/* start-end perms offset device inode path */
static bool parse(const char *line, yk__mapping *m)
{
    const char *p = hex(line, &m->start);
    if (*p++ != '-')
        return false;
    p = hex(p, &m->end);
    if (*p++ != ' ' || strlen(p) < 5)
        return false;
    m->readable = p[0] == 'r';
    m->writable = p[1] == 'w';
    m->executable = p[2] == 'x';
    p = hex(p + 5, &m->offset);
    for (int field = 0; field < 2; field++) { /* the device, the inode */
        p += strspn(p, " ");
        p += strcspn(p, " ");
    }
    m->path = p + strspn(p, " ");
    return true;
}

/* Bytes of a file by lines; a line that is longer than the buffer is cut. */
struct lines {
    int fd;
    size_t used, next; /* of what was read; where the next line begins */
    char text[4096];
};

static ssize_t fill(struct lines *l)
{
    memmove(l->text, l->text + l->next, l->used - l->next);
    l->used -= l->next;
    l->next = 0;
    ssize_t n;
    do
        n = read(l->fd, l->text + l->used, sizeof l->text - 1 - l->used);
    while (n < 0 && errno == EINTR);
    l->used += n > 0 ? (size_t)n : 0;
    return n;
}

/* The next line without its end; NULL: no more. */
static char *next_line(struct lines *l)
{
    for (;;) {
        char *line = l->text + l->next, *end = memchr(line, '\n', l->used - l->next);
        bool full = l->next == 0 && l->used == sizeof l->text - 1;
        if (end || full) {
            end = end ? end : l->text + l->used - 1;
            *end = '\0';
            l->next = (size_t)(end + 1 - l->text);
            return line;
        }
        if (fill(l) <= 0)
            return NULL;
    }
}

bool yk__maps_each(bool (*fn)(const yk__mapping *mapping, void *arg), void *arg)
{
    struct lines l;
    l.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (l.fd < 0)
        return false;
    l.used = l.next = 0;
    char *line;
    yk__mapping m;
    while ((line = next_line(&l)) != NULL)
        if (parse(line, &m) && !fn(&m, arg)) /* the rest of a line that was cut does not parse */
            break;
    close(l.fd);
    return true;
}
