/* mapreduce/key.h - a key with its hash and its first bytes in registers. Not installed.
 *
 * Most keys have up to 16 bytes. Those are loaded once, as two words padded with zeros; the hash is
 * three multiplications over them, and comparing two keys is comparing words. Where 16 bytes can be
 * read whatever the key's length, that takes no branch that could be mispredicted.
 */
#ifndef YOKE_MAPREDUCE_KEY_H
#define YOKE_MAPREDUCE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    YK__KEY_WORDS = 16, /* bytes in `low` and `high` */
    YK__KEY_SHORT = 32  /* bytes that are compared without a call */
};

typedef struct yk__key {
    const char *at;
    uint64_t low, high;
    uint32_t len, hash;
} yk__key;

static inline uint64_t yk__load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The first `len` bytes at p (16 at the most), of which 16 can be read. */
static inline void yk__load_words(const char *p, size_t len, uint64_t *low, uint64_t *high)
{
    static const unsigned char ones_then_zeros[2 * YK__KEY_WORDS] = {
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    };
    const char *mask =
        (const char *)ones_then_zeros + YK__KEY_WORDS - (len < YK__KEY_WORDS ? len : YK__KEY_WORDS);
    *low = yk__load64(p) & yk__load64(mask);
    *high = yk__load64(p + 8) & yk__load64(mask + 8);
}

static inline uint64_t yk__mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The hash of a key whose first words are known. */
static inline uint32_t yk__hash_words(const char *p, size_t len, uint64_t low, uint64_t high,
                                      uint64_t seed)
{
    /* Two odd numbers without pattern: fractional digits of the square roots of 2 and 3. */
    const uint64_t k0 = 0x6a09e667f3bcc909u, k1 = 0xbb67ae8584caa73bu;
    uint64_t h = yk__mix(low ^ k1, high ^ seed ^ (len * k0));
    for (size_t done = YK__KEY_WORDS; done < len; done += 8) {
        uint64_t word = 0;
        memcpy(&word, p + done, len - done < 8 ? len - done : 8);
        h = yk__mix(word ^ k0, h ^ k1);
    }
    return (uint32_t)(yk__mix(h ^ k0, k1 ^ seed) >> 32);
}

/* A key of which 16 bytes can be read whatever its length. */
static inline yk__key yk__key_within(const char *at, size_t len, uint64_t seed)
{
    yk__key key = { .at = at, .len = (uint32_t)len };
    yk__load_words(at, len, &key.low, &key.high);
    key.hash = yk__hash_words(at, len, key.low, key.high, seed);
    return key;
}

/* Any key, of up to 2 GiB. */
static inline yk__key yk__key_of(const char *at, size_t len, uint64_t seed)
{
    char padded[YK__KEY_WORDS] = { 0 };
    yk__key key = { .at = at, .len = (uint32_t)len };
    if (len > 0)
        memcpy(padded, at, len < YK__KEY_WORDS ? len : YK__KEY_WORDS);
    yk__load_words(padded, len, &key.low, &key.high);
    key.hash = yk__hash_words(at, len, key.low, key.high, seed);
    return key;
}

/* Whether the `len` bytes at p, of which 16 can be read, are the key, which is known to have 32 at
 * the most. */
static inline bool yk__short_key_is(const yk__key *key, const char *p, size_t len)
{
    uint64_t low, high;
    if (key->len != len)
        return false;
    yk__load_words(p, len, &low, &high);
    if (((low ^ key->low) | (high ^ key->high)) != 0)
        return false;
    if (len <= YK__KEY_WORDS)
        return true;
    const char *a = p + len - YK__KEY_WORDS, *b = key->at + len - YK__KEY_WORDS;
    return ((yk__load64(a) ^ yk__load64(b)) | (yk__load64(a + 8) ^ yk__load64(b + 8))) == 0;
}

/* The same of any key. */
static inline bool yk__key_is(const yk__key *key, const char *p, size_t len)
{
    if (key->len <= YK__KEY_SHORT)
        return yk__short_key_is(key, p, len);
    return key->len == len && memcmp(p, key->at, len) == 0;
}

#endif
