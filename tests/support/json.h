/* A checker of JSON (RFC 8259), for what the library writes: no more than is needed to say whether
 * a text is valid, and to look at the members of a flat object. */
#ifndef TESTS_SUPPORT_JSON_H
#define TESTS_SUPPORT_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* Whether `text` is one JSON value and nothing else but white space. */
bool json_valid(const char *text);

/* The value after "name": in an object that is known to be valid, as text: a string without its
 * quotes (escapes as they stand), anything else as it is. Also finds it in objects inside. False:
 * there is no such member. */
bool json_member(const char *object, const char *name, char *value, size_t size);

#endif
