/* SPDX-License-Identifier: MIT */
/* Memory before main() and after it: in initialisers that run before those of any library, in
 * constructors, in exit handlers, in destructors; what one allocates, another frees. */
#include "expect.h"

#include <locale.h>
#include <unistd.h>

static char *from_preinit;
static char *from_constructor;
static char *from_main;
static char *for_destructor;

static void allocate_before_all(void)
{
    from_preinit = malloc(1000);
    fill(from_preinit, 1000, 1);
}

__attribute__((section(".preinit_array"), used)) static void (*const before_all)(void) =
    allocate_before_all;

__attribute__((constructor(101))) static void allocate_early(void)
{
    from_constructor = calloc(10, 100);
    fill(from_constructor, 1000, 2);
    from_preinit = realloc(from_preinit, 5000);
}

static void free_at_exit(void)
{
    EXPECT(is_filled(from_main, 100000, 3));
    free(from_main);
    free(from_constructor);
    for_destructor = malloc(3000);
    fill(for_destructor, 3000, 4);
}

/* The last code of the program: only libraries end after it. */
__attribute__((destructor(101))) static void free_late(void)
{
    EXPECT(for_destructor != NULL && is_filled(for_destructor, 3000, 4));
    EXPECT(is_filled(from_preinit, 1000, 1));
    free(for_destructor);
    free(from_preinit);
    free(malloc(100));
    void *kept = opaque(malloc(100)); /* never freed: nobody minds */
    EXPECT(kept != NULL);
    if (expect_n_faults != 0) {
        _exit(1);
    }
}

int main(void)
{
    EXPECT(is_filled(from_preinit, 1000, 1));
    EXPECT(is_filled(from_constructor, 1000, 2));
    atexit(free_at_exit);
    from_main = malloc(100000);
    fill(from_main, 100000, 3);
    setlocale(LC_ALL, "C.UTF-8"); /* the C library allocates, and frees when it ends */
    if (gleaner_gc_collect != NULL) {
        gleaner_gc_collect();
    }
    return expect_status();
}
