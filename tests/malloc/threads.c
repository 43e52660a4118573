/* SPDX-License-Identifier: MIT */
/* Threads that come and go: memory made in one and freed in another, destructors of thread-specific
 * data that allocate and free while the thread ends, and make more data. */
#include "expect.h"

#include <pthread.h>
#include <stdatomic.h>

enum { N_AT_ONCE = 16, N_ROUNDS = 60, N_BLOCKS = 64, BLOCK_BYTES = 200 };

static pthread_key_t key;
static atomic_int n_destructors;

typedef struct specific {
    int rounds_left;
    unsigned seed;
    char *text;
} specific;

/* Comes again as long as it leaves something behind, up to four times. */
static void destroy(void *value)
{
    specific *s = value;
    atomic_fetch_add(&n_destructors, 1);
    EXPECT(is_filled(s->text, 1000, s->seed));
    char *text = malloc(1000);
    fill(text, 1000, s->seed + 1);
    free(s->text);
    s->text = text;
    s->seed++;
    for (size_t i = 1; i < 100; i++) {
        free(malloc(i * 10));
    }
    if (--s->rounds_left > 0) {
        pthread_setspecific(key, s);
        return;
    }
    free(s->text);
    free(s);
}

/* Frees what it is given, returns the same amount of its own. */
static void *exchange(void *arg)
{
    char **given = arg;
    char **mine = malloc(N_BLOCKS * sizeof *mine);
    for (unsigned i = 0; i < N_BLOCKS; i++) {
        EXPECT(given == NULL || is_filled(given[i], BLOCK_BYTES, i));
        mine[i] = malloc(BLOCK_BYTES);
        fill(mine[i], BLOCK_BYTES, i);
        if (given != NULL) {
            free(given[i]);
        }
    }
    free(given);
    specific *s = malloc(sizeof *s);
    *s = (specific){.rounds_left = 3, .seed = 5, .text = malloc(1000)};
    fill(s->text, 1000, 5);
    pthread_setspecific(key, s);
    return mine;
}

int main(void)
{
    char **handed[N_AT_ONCE] = {NULL};
    EXPECT(pthread_key_create(&key, destroy) == 0);
    for (int round = 0; round < N_ROUNDS; round++) {
        pthread_t threads[N_AT_ONCE];
        for (size_t i = 0; i < N_AT_ONCE; i++) {
            EXPECT(pthread_create(&threads[i], NULL, exchange, handed[i]) == 0);
        }
        for (size_t i = 0; i < N_AT_ONCE; i++) {
            void *result;
            EXPECT(pthread_join(threads[i], &result) == 0);
            handed[(i + 1) % N_AT_ONCE] = result;
        }
        if (gleaner_gc_collect != NULL && round % 10 == 0) {
            gleaner_gc_collect();
        }
    }
    EXPECT(n_destructors == 3 * N_AT_ONCE * N_ROUNDS);
    for (size_t i = 0; i < N_AT_ONCE; i++) {
        for (unsigned j = 0; j < N_BLOCKS; j++) {
            EXPECT(is_filled(handed[i][j], BLOCK_BYTES, j));
            free(handed[i][j]);
        }
        free(handed[i]);
    }
    return expect_status();
}
