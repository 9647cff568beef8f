/* A small HTTP client for tests: says what it is told to, byte by byte, and reads answers. In
 * tasks; what goes wrong fails the test. */
#ifndef TESTS_LOOP_HTTP_CLIENT_H
#define TESTS_LOOP_HTTP_CLIENT_H

#include "loop/http/http.h"
#include "streams.h"

typedef struct served {
    yk_listener *listener;
    yk_server *server;
    yk_http_counters counters;
    yk_http_service service;
} served;

/* A service on a port of the system's choice, with counters unless it has some. */
served *serve_http(const yk_http_service *service);
void serve_no_more(served *s); /* waits for the connections that are left */

yk_stream *dial(served *s);
void say(yk_stream *c, const char *text);

/* An answer; the head with a NUL, the body decoded and with a NUL. To be given back. */
typedef struct answer {
    int status;
    char *head, *body;
    size_t len;
} answer;

/* Reads one; `method`: of the request that it answers ("HEAD": there is no body). */
answer *hear_for(yk_stream *c, const char *method);
answer *hear(yk_stream *c);
void forget(answer *a);

/* A field's value, good for as long as `a`, or NULL. */
const char *field_of(const answer *a, const char *name);

/* Nothing more comes, in order. */
void assert_over(yk_stream *c);

/* Says it, and hears this. */
void assert_answer(yk_stream *c, const char *request, int status, const char *body);

/* The same on a connection of its own. */
void assert_once(served *s, const char *request, int status, const char *body);

#endif
