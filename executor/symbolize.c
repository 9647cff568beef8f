/* What the functions at some addresses are called.
 *
 * libdw (elfutils) reads symbol tables and debug information, so it knows static functions and
 * lines too. It is opened when it is first needed: programs neither link it nor start slower. Where
 * it is not there, dladdr() knows the functions that a library exports.
 *
 * Only files that are mapped in this process too are looked into: the paths were written by a
 * worker, and no file of its choice is to be opened, let alone parsed.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef YK__HAVE_LIBDW
#include <elfutils/libdwfl.h>
#endif

#include "crash.h"
#include "maps.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* libdw is for one thread at a time */

/* ---- Where it is in this process ------------------------------------------------------------ */

struct place {
    const char *path;
    uint64_t offset, here; /* in the file; in this process, 0: not mapped */
};

static bool find_place(const yk__mapping *m, void *arg)
{
    struct place *p = arg;
    if (!m->executable || strcmp(m->path, p->path) != 0 || p->offset < m->offset ||
        p->offset - m->offset >= m->end - m->start)
        return true;
    p->here = p->offset - m->offset + m->start;
    return false;
}

static uint64_t address_here(const yk__crash_frame *frame, const char *path)
{
    struct place p = { path, frame->offset, 0 };
    if (path[0] == '/')
        yk__maps_each(find_place, &p);
    return p.here;
}

/* ---- Names ---------------------------------------------------------------------------------- */

typedef struct naming {
    char function[256]; /* empty: not known */
    char line[256];     /* "file.c:123", empty: not known */
} naming;

/* Without what the compiler adds to the name of a part or a variant (".constprop.0"). */
static void set_function(naming *out, const char *function)
{
    int length = (int)strcspn(function, ".");
    snprintf(out->function, sizeof out->function, "%.*s", length, function);
}

#ifdef YK__HAVE_LIBDW

/* The functions that are used, by their own types. */
/* The formatter does not leave what it made. */
/* clang-format off */
#define LIBDW_FUNCTIONS(X) \
    X(dwfl_begin) \
    X(dwfl_end) \
    X(dwfl_linux_proc_report) \
    X(dwfl_report_end) \
    X(dwfl_addrmodule) \
    X(dwfl_module_addrinfo) \
    X(dwfl_module_getsrc) \
    X(dwfl_lineinfo) \
    X(dwfl_linux_proc_find_elf) \
    X(dwfl_build_id_find_debuginfo)
/* clang-format on */

static struct {
    bool tried, there;
#define X(fn) __typeof__(&fn) fn;
    LIBDW_FUNCTIONS(X)
#undef X
} dw;

/* Under the lock. */
static bool open_libdw(void)
{
    if (dw.tried)
        return dw.there;
    dw.tried = true;
    void *lib = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return false;
    dw.there = true;
#define X(fn)                           \
    *(void **)&dw.fn = dlsym(lib, #fn); \
    dw.there &= dw.fn != NULL;
    LIBDW_FUNCTIONS(X)
#undef X
    return dw.there;
}

static Dwfl *begin(void)
{
    if (!open_libdw())
        return NULL;
    static char *path = NULL; /* debug information is looked for where the system keeps it */
    /* Not the standard finder of debug information: that one may go and ask a server. */
    static Dwfl_Callbacks callbacks;
    callbacks.find_elf = dw.dwfl_linux_proc_find_elf;
    callbacks.find_debuginfo = dw.dwfl_build_id_find_debuginfo;
    callbacks.debuginfo_path = &path;
    Dwfl *dwfl = dw.dwfl_begin(&callbacks);
    if (dwfl && (dw.dwfl_linux_proc_report(dwfl, getpid()) != 0 ||
                 dw.dwfl_report_end(dwfl, NULL, NULL) != 0)) {
        dw.dwfl_end(dwfl);
        dwfl = NULL;
    }
    return dwfl;
}

static bool name_by_libdw(Dwfl *dwfl, uint64_t address, naming *out)
{
    Dwfl_Module *module = dwfl ? dw.dwfl_addrmodule(dwfl, address) : NULL;
    if (!module)
        return false;
    GElf_Off offset;
    GElf_Sym symbol;
    const char *function =
        dw.dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL);
    if (!function)
        return false;
    set_function(out, function);
    int number = 0;
    Dwfl_Line *line = dw.dwfl_module_getsrc(module, address);
    const char *file = line ? dw.dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
    const char *slash = file ? strrchr(file, '/') : NULL;
    if (file)
        snprintf(out->line, sizeof out->line, "%s:%d", slash ? slash + 1 : file, number);
    return true;
}

static void end(Dwfl *dwfl)
{
    if (dwfl)
        dw.dwfl_end(dwfl);
}

#else

typedef void Dwfl;

static Dwfl *begin(void)
{
    return NULL;
}

static bool name_by_libdw(Dwfl *dwfl, uint64_t address, naming *out)
{
    (void)dwfl;
    (void)address;
    (void)out;
    return false;
}

static void end(Dwfl *dwfl)
{
    (void)dwfl;
}

#endif

static void name_by_dladdr(uint64_t address, naming *out)
{
    Dl_info info;
    if (dladdr((void *)(uintptr_t)address, &info) && info.dli_sname) /* NOLINT */
        set_function(out, info.dli_sname);
}

/* ---- The text ------------------------------------------------------------------------------- */

/* What stands below a job in every worker's stack is no news. */
static bool is_below_the_job(const naming *n)
{
    return strcmp(n->function, "yk__job_run") == 0;
}

static void write_frame(FILE *to, const yk__crash_frame *frame, const char *path, const naming *n)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    if (n->line[0])
        fprintf(to, "%s (%s)\n", n->function, n->line);
    else if (n->function[0])
        fprintf(to, "%s (%s)\n", n->function, file);
    else if (path[0])
        fprintf(to, "?? (%s+0x%" PRIx64 ")\n", file, frame->offset);
    else
        fprintf(to, "?? (0x%" PRIx64 ")\n", frame->address);
}

static void write_frames(FILE *to, Dwfl *dwfl, const yk__crash_frame *frames, uint32_t n,
                         const char *paths)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *path = paths + frames[i].path;
        uint64_t here = address_here(&frames[i], path);
        naming name = { "", "" };
        if (here && !name_by_libdw(dwfl, here, &name))
            name_by_dladdr(here, &name);
        if (i > 0 && is_below_the_job(&name))
            return;
        write_frame(to, &frames[i], path, &name);
    }
}

char *yk__symbolize(const yk__crash_frame *frames, uint32_t n, const char *paths)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    pthread_mutex_lock(&lock);
    Dwfl *dwfl = begin();
    write_frames(to, dwfl, frames, n, paths);
    end(dwfl);
    pthread_mutex_unlock(&lock);
    if (fclose(to)) {
        free(text);
        return NULL;
    }
    return text;
}
