/* loop/serve/pool_messages.h - what the frames of link.h hold. Not installed. */
#ifndef YOKE_LOOP_SERVE_POOL_MESSAGES_H
#define YOKE_LOOP_SERVE_POOL_MESSAGES_H

#include <stdint.h>

#include "../../executor/internal.h"

/* Numbers of jobs are below this: as many of one client may be open at once. */
#define YK__POOL_JOBS ((uint32_t)1 << 20)

/* YK__SUBMIT: this, `context_len` bytes (carried.h), and the argument. */
typedef struct yk__submit_frame {
    uint64_t fn; /* a yk_job_fn */
    uint64_t timeout_ms, start_by, stream;
    uint64_t context_len;
    uint32_t retries;
    int32_t priority;
    char name[YK__NAME_MAX];
} yk__submit_frame;

/* YK__TAKEN: how much has been taken in all, as in yk__feed. */
typedef struct yk__taken_frame {
    uint64_t taken;
} yk__taken_frame;

/* YK__PROGRESS */
typedef struct yk__progress_frame {
    uint64_t done, total;
} yk__progress_frame;

/* YK__FAILED: this, a yk__crash_record if `crashed`, and the message, without a NUL. */
typedef struct yk__failed_frame {
    int32_t code, signal, exit_status;
    uint32_t crashed;
} yk__failed_frame;

#define YK__FAILED_MESSAGE_MOST ((size_t)4096)

/* YK__RECORD: the record. YK__DONE: the result. YK__CANCEL, YK__UNREAD, YK__BEGAN: nothing. */

#endif
