/* mapreduce/ngram/serve/fields.h - the parameters of a request, read one by one.
 *
 * The first that is wrong is told in `why`, in words for whoever typed it; what is read after it
 * has its default.
 */
#ifndef SERVE_FIELDS_H
#define SERVE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct serve_fields {
    /* Gives the decoded value of a parameter: 0; UV_ENOENT: there is none; YK_ETOOBIG: no room;
     * UV_EINVAL: it cannot be decoded. */
    int (*get)(void *from, const char *name, char *out, size_t size);
    void *from;
    bool wrong;
    char why[1024];
} serve_fields;

/* Says what is wrong, unless something was before. */
void serve_field_wrong(serve_fields *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "" where there is none. */
void serve_field_text(serve_fields *f, const char *name, char *out, size_t size);

/* A whole number from `least` to `most`; `otherwise` where there is none, or it is empty. */
int serve_field_number(serve_fields *f, const char *name, int least, int most, int otherwise);

/* "1", "true", "on" and "" (?tags) are true; "0", "false" and "off", and that it is missing, false.
 */
bool serve_field_flag(serve_fields *f, const char *name);

/* The index of one of the words, which end with NULL; 0 where there is none. */
int serve_field_choice(serve_fields *f, const char *name, const char *const *words);

#endif
