/* SPDX-License-Identifier: MIT */
/* Forks while other threads allocate: the child can allocate, free what it inherits, collect, start
 * threads and exit; the parent goes on as if nothing had been. */
#include "expect.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_FORKS = 200, N_THREADS = 4, N_INHERITED = 500 };

static atomic_int is_over;
static char *inherited[N_INHERITED];

static void *churn(void *arg)
{
    unsigned seed = (unsigned)(size_t)arg;
    enum { N = 200 };
    char *blocks[N] = {NULL};
    size_t sizes[N] = {0};
    for (unsigned i = 0; !atomic_load(&is_over); i++) {
        unsigned j = i * 7919u % N;
        EXPECT(blocks[j] == NULL || is_filled(blocks[j], sizes[j], seed + j));
        free(blocks[j]);
        sizes[j] = i * 31u % (i % 50 == 0 ? 60000 : 900);
        blocks[j] = malloc(sizes[j] + 1);
        fill(blocks[j], sizes[j], seed + j);
    }
    for (unsigned j = 0; j < N; j++) {
        free(blocks[j]);
    }
    return NULL;
}

static void *allocate_a_little(void *arg)
{
    for (size_t i = 1; i < 500; i++) {
        free(malloc(i));
    }
    return arg;
}

static int in_child(int number)
{
    for (unsigned i = 0; i < N_INHERITED; i++) {
        EXPECT(is_filled(inherited[i], 100 + i, i));
        free(inherited[i]);
        inherited[i] = realloc(malloc(i), 2 * i + 1);
        fill(inherited[i], 2 * i + 1, i);
    }
    if (gleaner_gc_collect != NULL && number % 4 == 0) {
        gleaner_gc_collect();
    }
    for (unsigned i = 0; i < N_INHERITED; i++) {
        EXPECT(is_filled(inherited[i], 2 * i + 1, i));
        free(inherited[i]);
    }
    pthread_t thread;
    if (number % 8 == 0) {
        EXPECT(pthread_create(&thread, NULL, allocate_a_little, NULL) == 0);
        EXPECT(pthread_join(thread, NULL) == 0);
    }
    if (number % 16 == 0) { /* a child of the child */
        pid_t grandchild = fork();
        if (grandchild == 0) {
            allocate_a_little(NULL);
            _exit(expect_status());
        }
        int status;
        EXPECT(waitpid(grandchild, &status, 0) == grandchild && status == 0);
    }
    return expect_status();
}

int main(void)
{
    pthread_t threads[N_THREADS];
    for (unsigned i = 0; i < N_INHERITED; i++) {
        inherited[i] = malloc(100 + i);
        fill(inherited[i], 100 + i, i);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        EXPECT(pthread_create(&threads[i], NULL, churn, (void *)(i * 1000)) == 0);
    }
    for (int i = 0; i < N_FORKS; i++) {
        pid_t child = fork();
        EXPECT(child >= 0);
        if (child == 0) {
            if (i % 2 == 0) {
                exit(in_child(i)); /* through the exit handlers */
            }
            _exit(in_child(i));
        }
        free(malloc(1000));
        int status = 0;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
    }
    atomic_store(&is_over, 1);
    for (size_t i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < N_INHERITED; i++) {
        EXPECT(is_filled(inherited[i], 100 + i, i));
        free(inherited[i]);
    }
    return expect_status();
}
