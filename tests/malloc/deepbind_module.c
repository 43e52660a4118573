/* SPDX-License-Identifier: MIT */
/* tests/malloc/deepbind_module.c - a module that allocates and frees (by default), one that opens
 * another by its name alone (OPENER), and that other (INNER). */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(INNER)

int inner(void);
int inner(void)
{
    return 42;
}

#elif defined(OPENER)

int open_inner(int mode);
int open_inner(int mode)
{
    void *library = dlopen("libgleaner-test-inner.so", mode);
    int (*inner)(void) = library ? (int (*)(void))(uintptr_t)dlsym(library, "inner") : NULL;
    int result = inner ? inner() : 0;
    if (library) {
        dlclose(library);
    }
    return result;
}

#else

char *module_make(const char *text);
char *module_make(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    return copy ? strcpy(copy, text) : NULL;
}

void module_take(char *text);
void module_take(char *text)
{
    free(text);
}

#endif
