/* What /proc says of this process and its descendants. */
#ifndef TESTS_SUPPORT_PROC_H
#define TESTS_SUPPORT_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct proc_entry {
    pid_t pid, parent, group;
    char state; /* 'R', 'S', 'T' stopped, 'Z' zombie, ... */
    char name[16];
} proc_entry;

/* Every process below `root`, not root itself; returns how many there are, at most `max` of them in
 * `out`. */
size_t proc_descendants(pid_t root, proc_entry *out, size_t max);

/* False if there is no such process. */
bool proc_look(pid_t pid, proc_entry *out);

/* The zygote that serves this process: the descendant of its name which has workers or a standby
 * for children, or the only one; 0 if there is none. */
pid_t proc_zygote(void);

/* Entries of /proc/PID/fd, of /proc/PID/task; mappings in /proc/PID/maps whose line contains
 * `what`. PID 0 is this process; -1 if it cannot be read. */
int proc_fds(pid_t pid);
int proc_threads(pid_t pid);
int proc_mappings(pid_t pid, const char *what);

/* Open descriptors of `pid` (0: this process) that are links to something with `what` in its name:
 * "[pidfd]", "memfd:yoke". */
int proc_links(pid_t pid, const char *what);

/* A processes ends: kills and reaps every descendant of `root` (not root). */
void proc_kill_descendants(pid_t root);

/* Writes what is known of the threads of `pid` to descriptor `fd`. */
void proc_dump(pid_t pid, int fd);

#endif
