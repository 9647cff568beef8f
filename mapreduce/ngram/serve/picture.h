/* mapreduce/ngram/serve/picture.h - charts drawn by gnuplot, as SVG. */
#ifndef SERVE_PICTURE_H
#define SERVE_PICTURE_H

#include <stddef.h>

#include "../../../loop/http/http.h"

/* Has gnuplot draw what the script says, and sends the picture. Few are drawn at a time. */
int serve_send_picture(yk_http *h, const char *script, size_t len);

#endif
