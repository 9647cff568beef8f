/* A server program that a test starts, talks to, and sends signals; and a load for it. */
#ifndef TESTS_LOOP_SERVING_H
#define TESTS_LOOP_SERVING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

extern const char *serving_program;

/* A folder of the test's own, gone with it; and a path in it, good until the next but three. */
int serving_before(void **state);
int serving_after(void **state);
const char *in_folder(const char *name);

#define SERVING_TEST(fn) cmocka_unit_test_setup_teardown(fn, serving_before, serving_after)

typedef struct served {
    pid_t pid;
    int out;    /* what it and its workers write */
    char *text; /* so far */
    size_t len;
    char address[128]; /* the first one */
} served;

/* Starts it with these arguments; SERVE() waits until it is ready. */
void served_start(served *s, const char *const *args);
#define START(s, ...) served_start((s), (const char *const[]){ __VA_ARGS__, NULL })
#define SERVE(s, ...) (START((s), __VA_ARGS__), served_ready(s))
void served_ready(served *s);

/* Waits until it has written `text` so many times. */
void served_says(served *s, const char *text, int times);
int served_said(const served *s, const char *text);

/* Waits for its end; waitpid's status. */
int served_end(served *s);
void served_exits(served *s, int status);
void served_signal(served *s, int sig);
/* The process that said that it serves, the last of them. */
pid_t served_latest(const served *s);
/* The program that was started has ended well, and another is in its place. */
void served_follow(served *s);

/* A connection; -1 if there is none to be had. "127.0.0.1:80", "[::1]:80", "unix:/path". */
int dial(const char *address);
/* One line there and one back; false: the connection is over. */
bool ask(int fd, const char *line, char *answer, size_t size);
/* The worker behind a connection. */
pid_t who(int fd, int *slot);
/* One request of HTTP for `path`, by GET; its body. *last: it is the connection's last. False: the
 * connection is over. */
bool get(int fd, const char *path, char *body, size_t size, bool *last);
/* Whether the connection is over. */
bool is_over(int fd);
/* A connection to the worker in that slot. */
int dial_slot(const char *address, int slot);

/* Threads that connect, ask, look at the answer and leave, until they are told to stop. With
 * `http` they ask again and again, until the server says that an answer is the connection's last
 * one: one that ends without having said so has failed a request. */
typedef struct load load;
load *load_start(const char *address, unsigned threads, bool http);
uint64_t load_done(load *l); /* so far */
/* This worker is going to be killed: what fails on its connections has not failed, but is counted
 * as held by it. */
void load_expect_death(load *l, pid_t pid);
uint64_t load_held(load *l);
/* Stops it, after some requests at least; how many of them failed. */
uint64_t load_stop(load *l, char *first_failure, size_t size);

#endif
