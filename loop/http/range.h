/* loop/http/range.h - the parts of a representation that a client asks for (RFC 9110, 14).
 * Not installed. */
#ifndef YOKE_LOOP_HTTP_RANGE_H
#define YOKE_LOOP_HTTP_RANGE_H

#include <stdint.h>

enum { YK__RANGES = 16 }; /* that are served at once */

typedef struct yk__range {
    uint64_t first, last; /* bytes, the last one included */
} yk__range;

/* What `value` asks for of `size` bytes. Returns how many ranges: in the order in which they were
 * asked for. 0: all of it is to be sent, since the field is none that we know (another unit, a
 * mistake, NULL), or asks for more than there is by asking for parts twice, or for more parts than
 * YK__RANGES. -416: there is none of what it asks for. */
int yk__range_parse(const char *value, uint64_t size, yk__range ranges[YK__RANGES]);

#endif
