/* SPDX-License-Identifier: MIT */
/* tests/unit/images_module.c - a shared object to load: data, constants, thread-local storage. */

extern int images_module_data;
extern int images_module_zeroed[100];
extern int *const images_module_relocated[2];
int *images_module_tls(void);

int images_module_data = 1;
int images_module_zeroed[100];

/* Written by the loader, then protected (RELRO). */
int *const images_module_relocated[2] = {&images_module_data, images_module_zeroed};

static __thread int thread_local[300] __attribute__((tls_model("global-dynamic")));

int *images_module_tls(void)
{
    return &thread_local[150];
}
