/* SPDX-License-Identifier: MIT */
/*
 * object/keys.c - the hash functions.
 *
 * Both fold a product of 128 bits to 64, as wyhash does (Wang Yi, "Modern Non-Cryptographic Hash
 * Function and Pseudorandom Number Generator", 2019): one multiplication spreads every bit of 8
 * bytes over the word, so a pointer takes a nanosecond or two and a string half a nanosecond for
 * each 16 bytes, where FNV-1a takes four multiplications for 4 bytes, one after the other, and
 * keeps no secret: whoever knows its prime makes strings that collide under every seed.
 */
#include "object/keys.h"

#include <string.h>

#include "base/atomic.h"
#include "base/check.h"
#include "os/random.h"

/* Arbitrary digits, so that nobody need wonder: those of the square roots of 2, 3 and 5,
 * made odd. */
static const uint64_t ROOT_2 = UINT64_C(0x6a09e667f3bcc909);
static const uint64_t ROOT_3 = UINT64_C(0xbb67ae8584caa73b);
static const uint64_t ROOT_5 = UINT64_C(0x3c6ef372fe94f82b);

/* ---- The process's own number ---------------------------------------------------------------- */

/* 0: not drawn yet. Two threads that draw at once draw the same, or one of them loses. */
static volatile gl_word process_seed;

static __attribute__((noinline)) uint64_t draw_seed(void)
{
    /* Not the numbers that the arena's place came from. */
    uint64_t state = gl_random_seed() ^ ROOT_5;
    size_t seed = (size_t)gl_random_next(&state) | 1;
    return gl_cas_full(&process_seed, 0, seed) ? seed : gl_load_relaxed(&process_seed);
}

static inline uint64_t seed(void)
{
    uint64_t drawn = gl_load_relaxed(&process_seed);
    return GL_LIKELY(drawn != 0) ? drawn : draw_seed();
}

/* ---- Words and strings ----------------------------------------------------------------------- */

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Twice: after one multiplication words with the same distance from each other, as pointers often
 * are, fall less evenly (tests/unit/test_object_table.c). */
static inline uint64_t hash_word(uint64_t word)
{
    uint64_t s = seed();
    unsigned __int128 product = (unsigned __int128)(word ^ s) * ROOT_2;
    return fold((uint64_t)product ^ ROOT_3, (uint64_t)(product >> 64) ^ s);
}

static inline uint64_t read8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t read4(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Up to 16 bytes as two words, which together hold each byte at least once. */
static inline void read_short(const char *p, size_t n, uint64_t *a, uint64_t *b)
{
    if (n >= 8) {
        *a = read8(p);
        *b = read8(p + n - 8);
    } else if (n >= 4) {
        *a = read4(p);
        *b = read4(p + n - 4);
    } else {
        *a = n > 0 ? (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[n / 2] << 8 |
                         (unsigned char)p[n - 1]
                   : 0;
        *b = 0;
    }
}

static uint64_t hash_string(const char *p)
{
    size_t length = strlen(p), n = length;
    uint64_t h = seed();
    for (; n > 16; n -= 16, p += 16) {
        h = fold(read8(p) ^ ROOT_2, read8(p + 8) ^ h);
    }
    uint64_t a, b;
    read_short(p, n, &a, &b);
    return fold(fold(a ^ ROOT_3, b ^ h), ROOT_2 ^ length);
}

/* ---- Keys ------------------------------------------------------------------------------------ */

bool gl_keys_init(gl_keys *keys, const gc_hash_ops *ops)
{
    *keys = (gl_keys){.kind = GL_KEYS_WORDS};
    if (ops == GC_HASH_POINTERS || ops == GC_HASH_INTEGERS) {
        return true;
    }
    if (ops == GC_HASH_STRINGS) {
        keys->kind = GL_KEYS_STRINGS;
        return true;
    }
    if (ops->size != sizeof *ops || !ops->hash || !ops->equal) {
        return false;
    }
    *keys = (gl_keys){.kind = GL_KEYS_USER, .hash = ops->hash, .equal = ops->equal};
    return true;
}

uint32_t gl_keys_hash(const gl_keys *keys, const void *key)
{
    uint64_t h;
    if (keys->kind == GL_KEYS_WORDS) {
        h = hash_word((uint64_t)(uintptr_t)key);
    } else if (keys->kind == GL_KEYS_STRINGS) {
        h = hash_string(key);
    } else {
        h = hash_word(keys->hash(key)); /* it may be the number itself */
    }
    uint32_t folded = (uint32_t)(h ^ h >> 32);
    return folded ? folded : 1;
}

bool gl_keys_are_equal(const gl_keys *keys, const void *a, const void *b)
{
    if (a == b) {
        return true;
    }
    if (keys->kind == GL_KEYS_STRINGS) {
        return strcmp(a, b) == 0;
    }
    return keys->kind == GL_KEYS_USER && keys->equal(a, b) != 0;
}
