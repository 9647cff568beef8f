/* mapreduce/ngram/case_fold.c - Unicode's full case folding, by utf8proc; ASCII by itself. */
#include "case_fold.h"

#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

/* Folds ASCII, eight bytes at a time; returns how many bytes from the beginning were ASCII. */
static size_t fold_ascii(char *to, const char *text, size_t len)
{
    const uint64_t ones = 0x0101010101010101, high = ones << 7;
    size_t done = 0;
    uint64_t w;
    for (; done + 8 <= len; done += 8) {
        memcpy(&w, text + done, 8);
        if (w & high)
            break;
        uint64_t from_a = w + (0x80 - 'A') * ones, past_z = w + (0x80 - 'Z' - 1) * ones;
        w |= (from_a & ~past_z & high) >> 2; /* bit 5, where a byte is from A to Z */
        memcpy(to + done, &w, 8);
    }
    for (; done < len && (unsigned char)text[done] < 0x80; done++)
        to[done] = text[done] >= 'A' && text[done] <= 'Z' ? (char)(text[done] | 0x20) : text[done];
    return done;
}

/* Folds the character, or copies the byte, at the beginning of `text`. Returns the bytes read. */
static size_t fold_one(char *to, size_t *written, const char *text, size_t len)
{
    utf8proc_int32_t c, folded[8];
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)(len < 4 ? len : 4), &c);
    if (n <= 0) {
        *to = *text;
        *written = 1;
        return 1;
    }
    int unused = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char(c, folded, 8, UTF8PROC_CASEFOLD, &unused);
    if (count < 0 || count > 3) { /* no character folds to more */
        count = 1;
        folded[0] = c;
    }
    *written = 0;
    for (utf8proc_ssize_t i = 0; i < count; i++)
        *written += (size_t)utf8proc_encode_char(folded[i], (utf8proc_uint8_t *)to + *written);
    return (size_t)n;
}

size_t ngram_case_fold(char *to, const char *text, size_t len)
{
    size_t read = 0, made = 0, written;
    while (read < len) {
        size_t ascii = fold_ascii(to + made, text + read, len - read);
        read += ascii;
        made += ascii;
        if (read < len) {
            read += fold_one(to + made, &written, text + read, len - read);
            made += written;
        }
    }
    return made;
}
