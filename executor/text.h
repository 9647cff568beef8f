/* executor/text.h - text that is put together in a buffer which may be too small. Not installed.
 *
 * As with snprintf, what does not fit is counted and not written, and what is written always ends
 * with a NUL.
 */
#ifndef YOKE_EXECUTOR_TEXT_H
#define YOKE_EXECUTOR_TEXT_H

#include <stddef.h>

typedef struct yk__text {
    char *buffer;
    size_t size; /* of the buffer; may be 0 */
    size_t len;  /* of the whole text, without the NUL */
} yk__text;

void yk__text_start(yk__text *t, char *buffer, size_t size);
void yk__text_add(yk__text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What may stand between the quotes of a JSON string, of a Prometheus label. Bytes that are not
 * UTF-8 become '?'. */
void yk__text_json(yk__text *t, const char *s);
void yk__text_label(yk__text *t, const char *s);

#endif
