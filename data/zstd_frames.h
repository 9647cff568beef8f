/* data/zstd_frames.h - walks the frames of a zstd file by their headers; private to data/. */
#ifndef YOKE_DATA_ZSTD_FRAMES_H
#define YOKE_DATA_ZSTD_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct yk__frame {
    uint64_t stored;  /* its size in the file */
    uint64_t content; /* of text; YK_SIZE_UNKNOWN if the header does not tell */
    bool skippable;
    bool checked;      /* it ends with a checksum of its text */
    uint32_t checksum; /* that one */
} yk__frame;

/* Reads the header alone of the frame at byte `at` of `fd`, where bytes up to `end` are its own:
 * `content` and `skippable`, and for a skippable frame `stored`, are set. Returns 0, or -1 if there
 * is no such header. */
int yk__zstd_header(yk__frame *frame, int fd, uint64_t at, uint64_t end);

/* Looks at all of the frame that begins at byte `at` of `fd`, in a file of `end` bytes, by reading
 * its header and its blocks' (RFC 8878, section 3.1). Returns 0, or -1 if there is no whole frame.
 */
int yk__zstd_frame(yk__frame *frame, int fd, uint64_t at, uint64_t end);

#endif
