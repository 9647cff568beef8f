/* mapreduce/ngram/curl_late.c - libcurl, loaded by the command that needs it. */
#include "curl_late.h"

#include <dlfcn.h>
#include <stdarg.h>

/* What stands here is for the tool alone; libcurl calls its own. */
#define CURL_DISABLE_TYPECHECK
#pragma GCC visibility push(hidden)
#include <curl/curl.h>
#pragma GCC visibility pop

/* clang-format off */
#define EACH(do_it) \
    do_it(curl_easy_init) \
    do_it(curl_easy_cleanup) \
    do_it(curl_easy_setopt) \
    do_it(curl_easy_getinfo) \
    do_it(curl_easy_strerror) \
    do_it(curl_multi_init) \
    do_it(curl_multi_cleanup) \
    do_it(curl_multi_setopt) \
    do_it(curl_multi_assign) \
    do_it(curl_multi_add_handle) \
    do_it(curl_multi_remove_handle) \
    do_it(curl_multi_socket_action) \
    do_it(curl_multi_info_read) \
    do_it(curl_slist_append) \
    do_it(curl_slist_free_all)
/* clang-format on */

#define POINTER(fn) __typeof__(fn) *fn;
static struct {
    EACH(POINTER)
} real;

const char *ngram_curl_load(void)
{
    void *lib = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return dlerror();
#define FIND(fn)                          \
    *(void **)&real.fn = dlsym(lib, #fn); \
    if (!real.fn)                         \
        return dlerror();
    EACH(FIND)
    return NULL;
}

/* ---- Options: what follows is a long, a pointer or an offset, as their numbers say ----------- */

#define PASS_OPTION(set, handle, option)                                                 \
    do {                                                                                 \
        va_list args;                                                                    \
        va_start(args, option);                                                          \
        if ((int)(option) < CURLOPTTYPE_OBJECTPOINT)                                     \
            code = set(handle, option, va_arg(args, long));                              \
        else if ((int)(option) < CURLOPTTYPE_OFF_T || (int)(option) >= CURLOPTTYPE_BLOB) \
            code = set(handle, option, va_arg(args, void *));                            \
        else                                                                             \
            code = set(handle, option, va_arg(args, curl_off_t));                        \
        va_end(args);                                                                    \
    } while (0)

CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    CURLcode code;
    PASS_OPTION(real.curl_easy_setopt, easy, option);
    return code;
}

CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    CURLMcode code;
    PASS_OPTION(real.curl_multi_setopt, multi, option);
    return code;
}

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    va_list args;
    va_start(args, info);
    CURLcode code = real.curl_easy_getinfo(easy, info, va_arg(args, void *));
    va_end(args);
    return code;
}

/* ---- The others ------------------------------------------------------------------------------ */

CURL *curl_easy_init(void)
{
    return real.curl_easy_init();
}

void curl_easy_cleanup(CURL *easy)
{
    real.curl_easy_cleanup(easy);
}

const char *curl_easy_strerror(CURLcode code)
{
    return real.curl_easy_strerror(code);
}

CURLM *curl_multi_init(void)
{
    return real.curl_multi_init();
}

CURLMcode curl_multi_cleanup(CURLM *multi)
{
    return real.curl_multi_cleanup(multi);
}

CURLMcode curl_multi_assign(CURLM *multi, curl_socket_t fd, void *arg)
{
    return real.curl_multi_assign(multi, fd, arg);
}

CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    return real.curl_multi_add_handle(multi, easy);
}

CURLMcode curl_multi_remove_handle(CURLM *multi, CURL *easy)
{
    return real.curl_multi_remove_handle(multi, easy);
}

CURLMcode curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int events, int *running)
{
    return real.curl_multi_socket_action(multi, fd, events, running);
}

CURLMsg *curl_multi_info_read(CURLM *multi, int *left)
{
    return real.curl_multi_info_read(multi, left);
}

struct curl_slist *curl_slist_append(struct curl_slist *list, const char *text)
{
    return real.curl_slist_append(list, text);
}

void curl_slist_free_all(struct curl_slist *list)
{
    real.curl_slist_free_all(list);
}
