/* loop/http/date.h - points in time as HTTP writes them (RFC 9110, 5.6.7). Not installed. */
#ifndef YOKE_LOOP_HTTP_DATE_H
#define YOKE_LOOP_HTTP_DATE_H

#include <stdbool.h>
#include <time.h>

enum { YK__HTTP_DATE = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" with its NUL */

/* Years 0 to 9999; others become the nearest of these. */
void yk__http_date_format(time_t t, char out[YK__HTTP_DATE]);

/* Reads all three forms there are: this one, "Sunday, 06-Nov-94 08:49:37 GMT", and
 * "Sun Nov  6 08:49:37 1994". A year of two digits that lies more than 50 years ahead of `now` is
 * the last one that ends so. */
bool yk__http_date_parse(const char *text, time_t now, time_t *t);

#endif
