/* mapreduce/ngram/serve/address.c - host and port. */
#include "address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool serve_split_address(const char *address, char *host, size_t size, uint16_t *port)
{
    const char *colon = strrchr(address, ':');
    if (!colon || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")])
        return false;
    unsigned long number = strtoul(colon + 1, NULL, 10);
    size_t len = (size_t)(colon - address);
    bool brackets = len > 2 && address[0] == '[' && colon[-1] == ']';
    if (number > 65535 || len >= size || (!brackets && memchr(address, ':', len)))
        return false;
    snprintf(host, size, "%.*s", (int)(brackets ? len - 2 : len), address + brackets);
    *port = (uint16_t)number;
    return true;
}
