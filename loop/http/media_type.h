/* loop/http/media_type.h - what is in a file, by its name. Not installed. */
#ifndef YOKE_LOOP_HTTP_MEDIA_TYPE_H
#define YOKE_LOOP_HTTP_MEDIA_TYPE_H

#include <stdbool.h>

/* By the name's last extension, in either case; "application/octet-stream" where nobody knows.
 * Text is taken for UTF-8. Constant strings. */
const char *yk__media_type(const char *path);

/* Whether things of this type (parameters do not count) become much smaller when compressed. */
bool yk__media_type_compresses(const char *type);

#endif
