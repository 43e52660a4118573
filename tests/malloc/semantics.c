/* SPDX-License-Identifier: MIT */
/* Every call of the malloc family: results and errno, as glibc documents and implements them. */
#include "expect.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <unistd.h>

extern void free_sized(void *p, size_t bytes) __attribute__((weak));
extern void free_aligned_sized(void *p, size_t alignment, size_t bytes) __attribute__((weak));
extern void cfree(void *p) __attribute__((weak));
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void *__libc_malloc(size_t bytes);
extern void __libc_free(void *p);
extern struct mallinfo narrow_mallinfo(void) __asm__("mallinfo"); /* <malloc.h> warns of it */

static int is_aligned(const void *p, size_t alignment)
{
    return p != NULL && (uintptr_t)p % alignment == 0;
}

/* A request that cannot be served, whoever serves it. */
static const size_t too_large[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096, SIZE_MAX - 15,
                                   SIZE_MAX};

static void check_zero_sizes(void)
{
    void *a = malloc(opaque_size(0)), *b = malloc(opaque_size(0)), *c = calloc(opaque_size(0), 8);
    void *d = calloc(8, opaque_size(0)), *e = realloc(NULL, opaque_size(0));
    void *all[] = {a, b, c, d, e};
    for (size_t i = 0; i < 5; i++) {
        EXPECT(is_aligned(all[i], 16));
        for (size_t j = 0; j < i; j++) {
            EXPECT(all[i] != all[j]);
        }
        free(all[i]);
    }
}

static void check_too_large(void)
{
    char *kept = malloc(100);
    fill(kept, 100, 5);
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++) {
        size_t bytes = opaque_size(too_large[i]);
        void *out = &out;
        errno = 0;
        EXPECT(malloc(bytes) == NULL && errno == ENOMEM);
        errno = 0;
        EXPECT(calloc(1, bytes) == NULL && errno == ENOMEM);
        errno = 0;
        EXPECT(realloc(opaque(kept), bytes) == NULL && errno == ENOMEM);
        errno = 0;
        EXPECT(reallocarray(opaque(kept), bytes, 1) == NULL && errno == ENOMEM);
        errno = 0;
        EXPECT(memalign(64, bytes) == NULL && errno == ENOMEM);
        errno = 0;
        EXPECT(aligned_alloc(4096, bytes) == NULL && errno == ENOMEM);
        errno = 0;
        EXPECT(valloc(bytes) == NULL && errno == ENOMEM);
        errno = 0;
        EXPECT(pvalloc(bytes) == NULL && errno == ENOMEM);
        EXPECT(posix_memalign(&out, 64, bytes) == ENOMEM && out == &out);
    }
    EXPECT(is_filled(kept, 100, 5));
    free(kept);
}

static void check_products(void)
{
    char *kept = malloc(100);
    fill(kept, 100, 6);
    size_t half = opaque_size(SIZE_MAX / 2 + 1);
    errno = 0;
    EXPECT(calloc(half, 2) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(calloc(2, half) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(calloc(half + 5, 2) == NULL && errno == ENOMEM); /* the product wraps to 10 */
    errno = 0;
    EXPECT(reallocarray(opaque(kept), half + 5, 2) == NULL && errno == ENOMEM);
    EXPECT(is_filled(kept, 100, 6));
    kept = reallocarray(kept, 50, 4);
    EXPECT(kept != NULL && malloc_usable_size(kept) >= 200 && is_filled(kept, 100, 6));
    EXPECT(reallocarray(kept, opaque_size(0), 4) == NULL); /* freed */
    void *fresh = reallocarray(NULL, 3, 7);
    EXPECT(fresh != NULL && malloc_usable_size(fresh) >= 21);
    free(fresh);
}

static void check_realloc(void)
{
    char *p = realloc(NULL, 10);
    EXPECT(is_aligned(p, 16));
    fill(p, 10, 1);
    p = realloc(p, 100000);
    EXPECT(p != NULL && is_filled(p, 10, 1));
    p = realloc(p, 5);
    EXPECT(p != NULL && is_filled(p, 5, 1));
    errno = 0;
    EXPECT(realloc(opaque(p), opaque_size(0)) == NULL && errno == 0); /* freed, no error */
}

static void check_free(void)
{
    free(NULL);
    static const size_t sizes[] = {1, 1000, 100000, 10000000};
    for (size_t i = 0; i < 4; i++) {
        void *p = malloc(sizes[i]);
        errno = 4711;
        free(p);
        EXPECT(errno == 4711);
        p = malloc(sizes[i]);
        errno = 4712;
        EXPECT(realloc(opaque(p), opaque_size(0)) == NULL);
        EXPECT(errno == 4712);
    }
}

static void check_aligned(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *p = memalign(opaque_size(0), 10);
    EXPECT(is_aligned(p, 16));
    free(p);
    p = memalign(1, 10);
    EXPECT(is_aligned(p, 16));
    free(p);
    p = memalign(opaque_size(33), 10); /* rounded up to a power of two */
    EXPECT(is_aligned(p, 64));
    free(p);
    p = aligned_alloc(opaque_size(1000), 10);
    EXPECT(is_aligned(p, 1024));
    free(p);
    p = aligned_alloc(64, opaque_size(0));
    EXPECT(is_aligned(p, 64));
    free(p);
    p = valloc(10);
    EXPECT(is_aligned(p, page));
    free(p);
    p = pvalloc(page + 1);
    EXPECT(is_aligned(p, page) && malloc_usable_size(p) >= 2 * page);
    free(p);
    p = pvalloc(opaque_size(0));
    EXPECT(is_aligned(p, page));
    free(p);
    errno = 0;
    EXPECT(memalign(opaque_size(SIZE_MAX / 2 + 2), 8) == NULL && errno == EINVAL);
    errno = 0;
    EXPECT(memalign(opaque_size(SIZE_MAX / 2 + 1), 8) == NULL && errno == ENOMEM);
    errno = 0;
    EXPECT(aligned_alloc(opaque_size(SIZE_MAX), 8) == NULL && errno == EINVAL);
}

static void check_posix_memalign(void)
{
    static const size_t bad[] = {0, 1, 2, 4, 7, 12, 24, 1000, SIZE_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *out = &out;
        errno = 4713;
        EXPECT(posix_memalign(&out, opaque_size(bad[i]), 8) == EINVAL);
        EXPECT(out == &out && errno == 4713);
    }
    for (size_t alignment = sizeof(void *); alignment <= 1 << 20; alignment *= 2) {
        void *out = NULL;
        errno = 4714;
        EXPECT(posix_memalign(&out, alignment, 24) == 0 && errno == 4714);
        EXPECT(is_aligned(out, alignment) && malloc_usable_size(out) >= 24);
        free(out);
    }
}

static void check_usable_size(void)
{
    EXPECT(malloc_usable_size(NULL) == 0);
    for (size_t bytes = 0; bytes < 3000; bytes++) {
        char *p = malloc(bytes);
        size_t usable = malloc_usable_size(p);
        EXPECT(usable >= bytes);
        memset(p, 0x5a, usable); /* all of it is the program's */
        free(p);
    }
    for (size_t bytes = 4000; bytes < 40000000; bytes = bytes * 5 / 3) {
        char *p = malloc(bytes);
        size_t usable = malloc_usable_size(p);
        EXPECT(usable >= bytes);
        memset(p, 0x5a, usable);
        free(p);
    }
}

static void check_other_names(void)
{
    void *p = __libc_memalign(256, 10);
    EXPECT(is_aligned(p, 256));
    free(p);
    p = __libc_malloc(10);
    EXPECT(is_aligned(p, 16));
    p = realloc(p, 1000);
    EXPECT(p != NULL);
    __libc_free(p);
    __libc_free(NULL);
    if (is_gleaner()) { /* glibc 2.36 has the names below no more, or not yet */
        EXPECT(free_sized != NULL && free_aligned_sized != NULL && cfree != NULL);
        free_sized(NULL, 10);
        free_sized(malloc(10), 10);
        free_aligned_sized(NULL, 64, 10);
        free_aligned_sized(aligned_alloc(64, 10), 64, 10);
        cfree(NULL);
        cfree(malloc(10));
        EXPECT(gleaner_gc_sizeof(__libc_malloc(33)) >= 33);
    }
}

static void check_tuning(void)
{
    EXPECT(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);
    EXPECT(mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
    EXPECT(mallopt(M_TOP_PAD, 1 << 16) == 1);
    EXPECT(mallopt(M_MMAP_MAX, 100) == 1);
    EXPECT(mallopt(M_ARENA_MAX, 2) == 1);
    EXPECT(mallopt(M_ARENA_TEST, 2) == 1);
    EXPECT(mallopt(M_CHECK_ACTION, 3) == 1);
    EXPECT(mallopt(M_MXFAST, 64) == 1);
    EXPECT(mallopt(M_MXFAST, 1000) == 0);
    EXPECT(mallopt(M_PERTURB, 0) == 1);
    int trimmed = malloc_trim(0);
    EXPECT(trimmed == 0 || trimmed == 1);
}

static void check_info(void)
{
    struct mallinfo2 before = mallinfo2();
    enum { N = 100, BYTES = 1 << 20 };
    static void *kept[N];
    for (size_t i = 0; i < N; i++) {
        kept[i] = malloc(BYTES);
    }
    struct mallinfo2 after = mallinfo2();
    size_t in_use = after.uordblks + after.hblkhd;
    EXPECT(in_use >= before.uordblks + before.hblkhd + (size_t)N * BYTES);
    EXPECT(after.arena + after.hblkhd >= in_use && after.arena == after.uordblks + after.fordblks);
    struct mallinfo narrow = narrow_mallinfo();
    EXPECT(narrow.arena == (int)after.arena && narrow.uordblks == (int)after.uordblks);
    for (size_t i = 0; i < N; i++) {
        free(kept[i]);
    }
    struct mallinfo2 last = mallinfo2();
    EXPECT(last.uordblks + last.hblkhd < in_use - (size_t)(N - 1) * BYTES);
}

static void check_info_document(void)
{
    static char text[20000];
    FILE *file = fmemopen(text, sizeof text, "w");
    EXPECT(malloc_info(0, file) == 0);
    EXPECT(malloc_info(1, file) == EINVAL);
    fclose(file);
    EXPECT(strncmp(text, "<malloc version=\"1\">", 20) == 0);
    EXPECT(strstr(text, "<system type=\"current\" size=\"") != NULL);
    EXPECT(strstr(text, "</malloc>\n") != NULL);
    int pipe_ends[2];
    EXPECT(pipe(pipe_ends) == 0);
    int saved = dup(STDERR_FILENO);
    dup2(pipe_ends[1], STDERR_FILENO);
    malloc_stats();
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t length = read(pipe_ends[0], text, sizeof text - 1);
    EXPECT(length > 0 && (size_t)length < sizeof text);
    text[length > 0 ? length : 0] = '\0';
    EXPECT(strstr(text, "system bytes") != NULL && strstr(text, "in use bytes") != NULL);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

int main(void)
{
    check_zero_sizes();
    check_too_large();
    check_products();
    check_realloc();
    check_free();
    check_aligned();
    check_posix_memalign();
    check_usable_size();
    check_other_names();
    check_tuning();
    check_info();
    check_info_document();
    return expect_status();
}
