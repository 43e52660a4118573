/* SPDX-License-Identifier: MIT */
/* A C program that loads a C++ library while it runs. usage: late_cxx LIBRARY */
#include "expect.h"

#include <dlfcn.h>

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 2;
    }
    EXPECT(dlopen("libstdc++.so.6", RTLD_NOW | RTLD_NOLOAD) == NULL);
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    EXPECT(library != NULL);
    int (*check)(void) =
        library == NULL ? NULL : (int (*)(void))(size_t)dlsym(library, "check_new");
    EXPECT(check != NULL);
    if (check == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    EXPECT(check() == 0);
    return expect_status();
}
