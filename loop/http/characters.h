/* loop/http/characters.h - which bytes may stand where in HTTP. Not installed. */
#ifndef YOKE_LOOP_HTTP_CHARACTERS_H
#define YOKE_LOOP_HTTP_CHARACTERS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    YK__HTTP_TOKEN = 1,  /* methods, names of fields (RFC 9110, 5.6.2) */
    YK__HTTP_TARGET = 2, /* RFC 3986, and what browsers leave unescaped: [ ] \ ^ ` { | } */
    YK__HTTP_VALUE = 4,  /* of a field */
    YK__HTTP_HOST = 8    /* names of hosts but for escapes; no comma: it looks like two hosts */
};

extern const uint8_t yk__http_characters[256];

static inline bool yk__http_is(char c, int kind)
{
    return yk__http_characters[(uint8_t)c] & kind;
}

#endif
