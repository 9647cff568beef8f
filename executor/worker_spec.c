/* Worker options: checked, copied, applied. */
#include "worker_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "error.h"
#include "internal.h"
#include "reactor.h"

/* ---- Checking ------------------------------------------------------------------------------- */

static const char *invalid_environment(const char *const *environment)
{
    for (size_t i = 0; environment && environment[i]; i++)
        if (environment[i][0] == '\0' || environment[i][0] == '=')
            return "an environment entry without a name";
    return NULL;
}

static const char *invalid_cpus(const int *cpus, size_t n)
{
    if ((n > 0) != (cpus != NULL))
        return "a list of CPUs without a length, or a length without a list";
    for (size_t i = 0; i < n; i++)
        if (cpus[i] < 0 || cpus[i] >= CPU_SETSIZE)
            return "a CPU that cannot be";
    return NULL;
}

const char *yk__worker_options_invalid(const yk_worker_options *o)
{
    if (o->arg_len > 0 && !o->arg)
        return "a length without an argument for the initializer";
    if (o->nice < -40 || o->nice > 40)
        return "a nice value that cannot be";
    if (o->min_workers < 0)
        return "a negative number of workers";
    if ((unsigned)o->scheduling > YK__SCHED_YIELDING)
        return "no such scheduling class";
    const char *what = invalid_environment(o->environment);
    return what ? what : invalid_cpus(o->cpus, o->n_cpus);
}

/* ---- Copying -------------------------------------------------------------------------------- */

static size_t count_strings(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

/* Places pieces one behind the other; with no block it only counts. */
struct packer {
    char *block;
    size_t used;
};

static void *pack(struct packer *p, const void *from, size_t size)
{
    p->used = (p->used + 15) & ~(size_t)15; /* aligned for any type */
    void *to = p->block ? memcpy(p->block + p->used, from, size) : NULL;
    p->used += size;
    return to;
}

static const char *const *pack_strings(struct packer *p, const char *const *list)
{
    size_t n = count_strings(list);
    const char **copy = pack(p, list, (n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) {
        const char *s = pack(p, list[i], strlen(list[i]) + 1);
        if (copy)
            copy[i] = s;
    }
    return copy;
}

static size_t pack_all(char *block, const yk_worker_options *o)
{
    struct packer p = { block, 0 };
    yk__worker_spec head = { .options = *o };
    yk__worker_spec *spec = pack(&p, &head, sizeof head);
    yk_worker_options *to = spec ? &spec->options : &head.options;
    if (o->arg_len > 0)
        to->arg = pack(&p, o->arg, o->arg_len);
    if (o->n_cpus > 0)
        to->cpus = pack(&p, o->cpus, o->n_cpus * sizeof *o->cpus);
    if (o->environment)
        to->environment = pack_strings(&p, o->environment);
    if (o->directory)
        to->directory = pack(&p, o->directory, strlen(o->directory) + 1);
    if (spec)
        spec->size = p.used;
    return p.used;
}

/* A loop that is kept waiting by workers of its own is what users notice. */
static bool should_yield(const yk_worker_options *o)
{
    const yk__reactor *loop = yk__reactor_current();
    return o->scheduling == YK_SCHED_DEFAULT && o->nice == 0 && loop && !loop->is_private;
}

int yk__worker_spec_copy(const yk_worker_options *options, void *(*alloc)(size_t),
                         yk__worker_spec **spec)
{
    static const yk_worker_options none;
    yk_worker_options o;
    memcpy(&o, options, sizeof o); /* with what is between the members */
    if (should_yield(&o))
        o.scheduling = (yk_scheduling)YK__SCHED_YIELDING;
    *spec = NULL;
    if (memcmp(&o, &none, sizeof none) == 0)
        return 0; /* padding may say otherwise, and then there is a spec that says nothing */
    char *block = alloc(pack_all(NULL, &o));
    if (!block)
        return UV_ENOMEM;
    pack_all(block, &o);
    *spec = (yk__worker_spec *)block;
    return 0;
}

/* ---- Applying ------------------------------------------------------------------------------- */

static _Thread_local char complaint[YK__MESSAGE_MAX];

const char *yk__worker_complaint(void)
{
    return complaint;
}

static int complain(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(complaint, sizeof complaint, format, args);
    va_end(args);
    return code;
}

int yk_worker_fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(complaint, sizeof complaint, format, args);
    va_end(args);
    return code;
}

static int be_nice(int from, int by)
{
    int wanted = from + by;
    if (by == 0 || getpriority(PRIO_PROCESS, 0) == wanted)
        return 0;
    if (setpriority(PRIO_PROCESS, 0, wanted))
        return complain(-errno, "nice value %d: %s", wanted, yk_strerror(-errno));
    return 0;
}

/* Enough for a loop that is busy for less than half of the time, and no more: see "Workers are 5
 * nicer than a loop" in docs/decisions.md. */
#define YIELD_BY 5

/* Nobody asked for it by name: where it is not allowed, it is left. A thread that was started by
 * one that yields does so already. */
static void yield_to_the_loop(int from)
{
    if (getpriority(PRIO_PROCESS, 0) < from + YIELD_BY)
        setpriority(PRIO_PROCESS, 0, from + YIELD_BY);
}

static int set_class(yk_scheduling scheduling)
{
    static const int classes[] = { -1, SCHED_OTHER, SCHED_BATCH, SCHED_IDLE };
    static const char *const names[] = { "", "normal", "batch", "idle" };
    if (scheduling == YK_SCHED_DEFAULT)
        return 0;
    if (sched_setscheduler(0, classes[scheduling], &(struct sched_param){ 0 }))
        return complain(-errno, "scheduling class '%s': %s", names[scheduling],
                        yk_strerror(-errno));
    return 0;
}

static int stay_on(const int *cpus, size_t n)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t i = 0; i < n; i++)
        CPU_SET((size_t)cpus[i], &set);
    if (n > 0 && sched_setaffinity(0, sizeof set, &set))
        return complain(-errno, "CPUs: %s", yk_strerror(-errno));
    return 0;
}

int yk__worker_schedule(const yk__worker_spec *spec)
{
    return yk__worker_schedule_from(spec, getpriority(PRIO_PROCESS, 0));
}

int yk__worker_schedule_from(const yk__worker_spec *spec, int nice)
{
    if (!spec)
        return 0;
    const yk_worker_options *o = &spec->options;
    int err = be_nice(nice, o->nice);
    if (o->scheduling == (yk_scheduling)YK__SCHED_YIELDING)
        yield_to_the_loop(nice);
    else if (!err)
        err = set_class(o->scheduling);
    return err ? err : stay_on(o->cpus, o->n_cpus);
}

/* The soft limit, and as much more for the hard one. */
static int limit(int resource, const char *what, uint64_t value, uint64_t more)
{
    struct rlimit now;
    if (getrlimit(resource, &now))
        return complain(-errno, "limit of %s: %s", what, yk_strerror(-errno));
    rlim_t hard = value + more < value ? RLIM_INFINITY : value + more;
    hard = hard < now.rlim_max ? hard : now.rlim_max;
    struct rlimit set = { .rlim_cur = value < hard ? value : hard, .rlim_max = hard };
    if (setrlimit(resource, &set))
        return complain(-errno, "limit of %s: %s", what, yk_strerror(-errno));
    return 0;
}

/* /proc/self/statm counts pages: mapped, resident, and of these shared, which the arena's are. */
static bool read_statm(unsigned long *mapped, unsigned long *resident, unsigned long *shared)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return sscanf(text, "%lu %lu %lu", mapped, resident, shared) == 3;
}

uint64_t yk__worker_rss(void)
{
    unsigned long mapped, resident, shared;
    if (!read_statm(&mapped, &resident, &shared) || resident < shared)
        return 0;
    return (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The arena alone is larger than any limit that makes sense, and a sanitizer's shadow, too. */
static uint64_t mapped_now(void)
{
    unsigned long mapped, resident, shared;
    bool known = read_statm(&mapped, &resident, &shared);
    return known ? (uint64_t)mapped * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static int set_limits(const yk_worker_options *o)
{
    int err = 0;
    if (o->limit_files)
        err = limit(RLIMIT_NOFILE, "open files", o->limit_files, 0);
    if (!err && o->limit_cpu_s)
        err = limit(RLIMIT_CPU, "CPU time", o->limit_cpu_s, 1);
    if (!err && o->limit_address_space) {
        uint64_t all = mapped_now() + o->limit_address_space;
        if (all > o->limit_address_space)
            err = limit(RLIMIT_AS, "address space", all, 0);
    }
    return err;
}

/* "NAME=VALUE" sets it, "NAME" alone removes it. */
static int set_variable(const char *entry)
{
    const char *equals = strchr(entry, '=');
    char *name = strndup(entry, equals ? (size_t)(equals - entry) : strlen(entry));
    int err = !name || (equals ? setenv(name, equals + 1, 1) : unsetenv(name)) ? UV_ENOMEM : 0;
    free(name);
    return err;
}

static int set_environment(const char *const *environment)
{
    for (size_t i = 0; environment && environment[i]; i++)
        if (set_variable(environment[i]))
            return complain(UV_ENOMEM, "environment: %s", yk_strerror(UV_ENOMEM));
    return 0;
}

int yk__worker_confine(const yk__worker_spec *spec)
{
    if (!spec)
        return 0;
    const yk_worker_options *o = &spec->options;
    int err = set_environment(o->environment);
    if (err)
        return err;
    if (o->directory && chdir(o->directory))
        return complain(-errno, "directory '%s': %s", o->directory, yk_strerror(-errno));
    return set_limits(o);
}

int yk__worker_initialize(const yk__worker_spec *spec, void *arg)
{
    if (!spec || !spec->options.initializer)
        return 0;
    complaint[0] = '\0';
    int code = spec->options.initializer(arg);
    if (code >= 0)
        return 0;
    if (complaint[0] == '\0')
        complain(code, "%s", yk_strerror(code));
    return code;
}
