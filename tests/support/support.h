/* What every test program shares: a watchdog, a check that nothing is left over, and numbers that
 * shrink where everything is slow.
 *
 *   static void test_F01_callback_sees_the_result(void **state) { ... }
 *
 *   int main(void)
 *   {
 *       static const struct CMUnitTest tests[] = { TEST(test_F01_callback_sees_the_result) };
 *       return RUN_TESTS("future", tests);
 *   }
 *
 * RUN_TESTS calls yk_init() before anything else, so main() must have started no thread. After each
 * test there may be no process but the zygote and its standby, no thread, descriptor or channel
 * that was not there before the first test, and no block of the arena. The test process is made the
 * subreaper of its descendants, so a worker that has lost its parents is still found.
 *
 * A test that takes longer than the watchdog allows ends the program with status 70, after what is
 * known of every thread and process was written to standard error.
 */
#ifndef TESTS_SUPPORT_SUPPORT_H
#define TESTS_SUPPORT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

int support_before(void **state);
int support_after(void **state);
int support_run(const char *name, const struct CMUnitTest *tests, size_t n);

#define TEST(fn)                                                        \
    {                                                                   \
#fn, fn, support_before, support_after, (void *)(uintptr_t) #fn \
    }

/* As cmocka_run_group_tests; only tests whose name contains $YOKE_TEST, if that is set. */
#define RUN_TESTS(name, tests) support_run((name), (tests), COUNT_OF(tests))

bool support_under_valgrind(void);

/* Valgrind 3.19 knows no pidfds, and then only the zygote sees workers die. */
bool support_has_pidfds(void);

/* The test program's path: /proc/self/exe, if opened, may be a checker. */
const char *support_self(void);

/* How many of `n` rounds to run here: all, or fewer under a sanitizer or valgrind; at least 1. */
size_t support_rounds(size_t n);

/* How many times longer everything may take here. */
unsigned support_slowness(void);

/* What of this is left over: NULL if nothing, else one line about it. Waits some seconds for the
 * ends that are on their way. */
const char *support_leftovers(void);
const char *support_leftovers_within(uint64_t ms); /* waits no longer than that */

/* Where this thread is the only one: starts and ends another, so that what the first thread of a
 * program brings with it is there. */
void support_first_thread(void);

/* What is there now is what was there before. */
void support_take_baseline(void);

/* Says in the report of a failure in what circumstances it came about ("on the process pool"); NULL
 * when they are over. A string constant. */
void support_note(const char *circumstances);

/* Lets others run for a moment: a thread gives up its CPU, a task its turn. Between two looks at
 * something that another process changes. */
void support_pause(void);

/* For tests on a loop: what support_pause() does in a task; returns whether it did anything. */
extern bool (*support_pause_in_task)(void);

/* Where a test program defines it: does once what opens descriptors for good (a first loop), so
 * that they are not taken for leaks. */
void support_warm_up(void) __attribute__((weak));

/* Waits until `condition` holds, and fails the test when it has not after some ten seconds. */
#define eventually(condition)                                                           \
    do {                                                                                \
        uint64_t give_up_ = yk_after_ms(10000ull * support_slowness());                 \
        while (!(condition)) {                                                          \
            if (yk_now() > give_up_)                                                    \
                fail_msg("%s:%d: never came true: %s", __FILE__, __LINE__, #condition); \
            support_pause();                                                            \
        }                                                                               \
    } while (0)

#endif
