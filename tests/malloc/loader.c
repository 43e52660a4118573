/* SPDX-License-Identifier: MIT */
/*
 * The loader allocates too: libraries with thread-local storage come and go while threads run, so
 * many that the loader's own tables, some of them from before malloc was there, have to grow.
 *
 * usage: loader DIRECTORY, where module0.so to module39.so are copies of tls_module.c.
 */
#include "expect.h"

#include <dlfcn.h>
#include <pthread.h>

enum { N_MODULES = 40, N_THREADS = 4, N_ROUNDS = 3 };

typedef char *tls_text(unsigned seed);

static tls_text *modules[N_MODULES];
static pthread_barrier_t barrier;

/* Touches its own copy of the storage of every module, twice: what the module hung there in the
 * first pass must still be there in the second, after others have allocated and collected. */
static void *touch_all(void *number)
{
    unsigned seed = (unsigned)(size_t)number;
    for (int round = 0; round < N_ROUNDS; round++) {
        pthread_barrier_wait(&barrier); /* loaded */
        const char *texts[N_MODULES];
        for (unsigned i = 0; i < N_MODULES; i++) {
            texts[i] = modules[i](seed + i);
            EXPECT(is_filled(texts[i], 100, seed + i));
        }
        if (gleaner_gc_collect != NULL && seed == 1000) {
            gleaner_gc_collect();
        }
        for (unsigned i = 0; i < N_MODULES; i++) {
            free(malloc(100 + i));
            EXPECT(modules[i](seed + i) == texts[i] && is_filled(texts[i], 100, seed + i));
        }
        pthread_barrier_wait(&barrier); /* done with them */
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 2;
    }
    pthread_t threads[N_THREADS];
    pthread_barrier_init(&barrier, NULL, N_THREADS + 1);
    for (size_t i = 0; i < N_THREADS; i++) {
        EXPECT(pthread_create(&threads[i], NULL, touch_all, (void *)(i * 1000)) == 0);
    }
    for (int round = 0; round < N_ROUNDS; round++) {
        void *handles[N_MODULES];
        for (unsigned i = 0; i < N_MODULES; i++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/module%u.so", argv[1], i);
            handles[i] = dlopen(path, RTLD_NOW | RTLD_LOCAL);
            EXPECT(handles[i] != NULL);
            modules[i] = handles[i] ? (tls_text *)(size_t)dlsym(handles[i], "tls_text") : NULL;
            if (modules[i] == NULL) {
                fprintf(stderr, "%s\n", dlerror());
                return 1;
            }
            char *text = modules[i](77 + i); /* the main thread's vector grows step by step */
            EXPECT(is_filled(text, 100, 77 + i));
        }
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        for (unsigned i = 0; i < N_MODULES; i++) {
            EXPECT(dlclose(handles[i]) == 0);
        }
        EXPECT(dlopen("/nonexistent/library.so", RTLD_NOW) == NULL);
        EXPECT(dlerror() != NULL); /* the message is allocated and freed by the loader */
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    return expect_status();
}
