/* What is done while a call fails. */
#ifndef TESTS_FAULTS_SCENARIOS_H
#define TESTS_FAULTS_SCENARIOS_H

#include "executor/executor.h"
#include "executor/wait.h"
#include "inject.h"

/* From yk_init() to yk_fini(). Whatever fails, it returns, says to check() what must not be, and
 * leaves nothing. */
typedef struct scenario {
    const char *name;
    void (*run)(void);
} scenario;
extern const scenario scenarios[];
extern const unsigned n_scenarios;

/* Says what is wrong and ends the process. */
void broken(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define check(condition)   \
    ((condition) ? (void)0 \
                 : broken("%s, line %d: %s", strrchr(__FILE__, '/'), __LINE__, #condition))

/* ---- Jobs ----------------------------------------------------------------------------------- */

int job_square(yk_job *job);
int job_echo(yk_job *job);
int job_crash(yk_job *job); /* in processes only */
int job_wait(yk_job *job);  /* until it is cancelled */

/* ---- What comes of them --------------------------------------------------------------------- */

uint64_t patience(void); /* a deadline that does not pass */

/* Awaits it; its code. */
int outcome(yk_future *f);

/* Await it, and give it back. An error will do in place of the result. */
void expect_int(yk_future *f, int expected);
void expect_failure(yk_future *f);

/* One call has failed, and no more will: the executor is none, or runs jobs. */
void serves_again(yk_executor *ex, yk_job_kind kind);

/* Shuts it down, sees that it has counted right, and gives it back. */
void shut_down(yk_executor *ex);

/* ---- Scenarios of features.c ---------------------------------------------------------------- */

void scenario_streams(void);
void scenario_statistics(void);
void scenario_trace(void);
void scenario_bounded(void);
void scenario_priorities(void);
void scenario_recycle(void);
void scenario_stuck(void);
void scenario_shutdown(void);
void scenario_steady(void);
void scenario_map_chunks(void);
void scenario_main(void);

/* ---- Of server.c and answers.c --------------------------------------------------------------- */

void scenario_http(void);
void scenario_http_answers(void);

/* ---- Of shared_pool.c ------------------------------------------------------------------------ */

void scenario_shared_pool(void);

#endif
