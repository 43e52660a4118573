/* SPDX-License-Identifier: MIT */
/*
 * tests/malloc/deepbind.c - a module loaded with RTLD_DEEPBIND shares the program's heap, and the
 * search path of the library that calls dlopen() counts.
 *
 *   deepbind MODULE OPENER    OPENER opens a module of its own by name
 */
#include <dlfcn.h>
#include <stdint.h>

#include "expect.h"

typedef char *make_fn(const char *text);
typedef void take_fn(char *text);
typedef int open_fn(int mode);

static void *open_library(const char *path, int mode)
{
    void *library = dlopen(path, mode);
    if (!library) {
        fprintf(stderr, "deepbind: %s\n", dlerror());
        exit(2);
    }
    return library;
}

static void use(const char *path, int mode)
{
    void *library = open_library(path, mode);
    make_fn *make = (make_fn *)(uintptr_t)dlsym(library, "module_make");
    take_fn *take = (take_fn *)(uintptr_t)dlsym(library, "module_take");
    for (int i = 0; i < 100; i++) {
        char *text = make("from the module");
        EXPECT(strcmp(text, "from the module") == 0);
        EXPECT(!is_gleaner() || gleaner_gc_sizeof(text) > 0);
        free(text);
        take(strdup("from the program"));
    }
    EXPECT(dlclose(library) == 0);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    use(argv[1], RTLD_NOW);
    use(argv[1], RTLD_NOW | RTLD_DEEPBIND);
    use(argv[1], RTLD_LAZY | RTLD_DEEPBIND | RTLD_GLOBAL);
    void *opener = open_library(argv[2], RTLD_NOW);
    open_fn *open_inner = (open_fn *)(uintptr_t)dlsym(opener, "open_inner");
    EXPECT(open_inner(RTLD_NOW) == 42);
    EXPECT(open_inner(RTLD_NOW | RTLD_DEEPBIND) == 42);
    EXPECT(dlopen("libgleaner-test-inner.so", RTLD_NOW) == NULL);
    EXPECT(dlopen(NULL, RTLD_NOW) != NULL);
    return expect_status();
}
