/* mapreduce/ngram/serve/fields.c - the parameters of a request. */
#include "fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../../executor/error.h"

void serve_field_wrong(serve_fields *f, const char *format, ...)
{
    va_list args;
    if (f->wrong)
        return;
    f->wrong = true;
    va_start(args, format);
    vsnprintf(f->why, sizeof f->why, format, args);
    va_end(args);
}

/* Whether there is one. */
static bool get(serve_fields *f, const char *name, char *out, size_t size)
{
    int err = f->get(f->from, name, out, size);
    if (err == YK_ETOOBIG)
        serve_field_wrong(f, "%s: too long; %zu bytes are the most", name, size - 1);
    else if (err && err != UV_ENOENT)
        serve_field_wrong(f, "%s: a %% is followed by two hexadecimal digits", name);
    if (err)
        *out = '\0';
    return !err;
}

void serve_field_text(serve_fields *f, const char *name, char *out, size_t size)
{
    get(f, name, out, size);
}

int serve_field_number(serve_fields *f, const char *name, int least, int most, int otherwise)
{
    char text[32], *end;
    if (!get(f, name, text, sizeof text) || !text[0])
        return otherwise;
    long number = strtol(text, &end, 10);
    if (text[strspn(text, "0123456789")] == '\0' && number >= least && number <= most)
        return (int)number;
    serve_field_wrong(f, "%s: must be a whole number from %d to %d, not \"%s\"", name, least, most,
                      text);
    return otherwise;
}

static bool is_one_of(const char *text, const char *const *words, int *which)
{
    for (*which = 0; words[*which]; ++*which)
        if (strcmp(words[*which], text) == 0)
            return true;
    return false;
}

bool serve_field_flag(serve_fields *f, const char *name)
{
    static const char *const words[] = { "0", "false", "off", "1", "true", "on", "", NULL };
    char text[32];
    int which;
    if (!get(f, name, text, sizeof text))
        return false;
    if (is_one_of(text, words, &which))
        return which >= 3;
    serve_field_wrong(f, "%s: must be 1 or 0, not \"%s\"", name, text);
    return false;
}

int serve_field_choice(serve_fields *f, const char *name, const char *const *words)
{
    char text[32];
    int which;
    if (!get(f, name, text, sizeof text))
        return 0;
    if (is_one_of(text, words, &which))
        return which;
    char all[256] = "";
    for (size_t i = 0, len = 0; words[i] && len < sizeof all; i++)
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", i ? ", " : "", words[i]);
    serve_field_wrong(f, "%s: must be one of %s, not \"%s\"", name, all, text);
    return 0;
}
