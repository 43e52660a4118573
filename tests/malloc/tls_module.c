/* SPDX-License-Identifier: MIT */
/* A library for tests/malloc/loader: storage of its own per thread, with the only pointer to a
 * block of memory in it. Compiled by loader.sh. */
#include <stdlib.h>

static __thread char *text;
static __thread char padding[300];

char *tls_text(unsigned seed);

char *tls_text(unsigned seed)
{
    if (text == NULL) {
        text = malloc(100);
        for (unsigned i = 0; i < 100; i++) {
            text[i] = (char)(unsigned char)(seed * 131u + i * 7u); /* as fill() of expect.h */
        }
        padding[seed % sizeof padding] = 1;
    }
    return text;
}
