/* SPDX-License-Identifier: MIT */
/* tests/stress/roots_module.c - a module to be loaded and unloaded: static data and thread-local
 * storage that the program does not know. */
void **module_data(void);
void **module_tls(void);

static void *data[4];
static __thread void *tls[600]; /* too much for the surplus of static thread-local storage */

void **module_data(void)
{
    return &data[1];
}

void **module_tls(void)
{
    return &tls[300];
}
