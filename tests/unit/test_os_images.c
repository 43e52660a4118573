/* SPDX-License-Identifier: MIT */
/*
 * os/images.h: static data and thread-local storage, of the program, the C library, and an object
 * that is loaded and unloaded. The test has our code linked into the program, so that its data is
 * the program's.
 */
#include "os/images.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/atomic.h"
#include "os/threads.h"
#include "unit.h"

static gl_images images;
static int in_data = 1;
static int in_bss[1000];
static int *const relocated[2] = {&in_data, in_bss};
static __thread int thread_local_number;

static bool is_in_data(const volatile void *p)
{
    for (size_t i = 0; i < images.n_data; i++) {
        if ((uintptr_t)p >= images.data[i].start && (uintptr_t)p < images.data[i].end)
            return true;
    }
    return false;
}

START_TEST(data_of_program_and_libraries)
{
    ck_assert(gl_images_read(&images));
    ck_assert(is_in_data(&in_data));
    ck_assert(is_in_data(&in_bss[0]));
    ck_assert(is_in_data(&in_bss[999]));
    ck_assert(is_in_data(stdout)); /* the structure, in the C library's data */
    int on_stack;
    ck_assert(!is_in_data(&on_stack));
    ck_assert(!is_in_data("a constant"));
    for (size_t i = 0; i < images.n_data; i++)
        ck_assert_uint_lt(images.data[i].start, images.data[i].end);
}
END_TEST

START_TEST(what_the_loader_protects_is_left_out)
{
    ck_assert(gl_images_read(&images));
    int *const volatile *p = relocated;
    ck_assert_ptr_eq(*p, &in_data);
#ifdef __PIE__ /* else nothing is relocated, and the table is among the constants */
    ck_assert(!is_in_data(relocated));
#endif
}
END_TEST

START_TEST(reading_again_gives_the_same)
{
    ck_assert(gl_images_read(&images));
    size_t n = images.n_data;
    gl_image_range first = images.data[0];
    for (int i = 0; i < 100; i++)
        ck_assert(gl_images_read(&images));
    ck_assert_uint_eq(images.n_data, n);
    ck_assert_uint_eq(images.data[0].start, first.start);
}
END_TEST

/* --- A module ------------------------------------------------------------------------------------ */

static void *module;
static int *(*module_tls)(void);

static void *module_symbol(const char *name)
{
    void *p = dlsym(module, name);
    ck_assert_ptr_nonnull(p);
    return p;
}

static void load(const char *name)
{
    const char *folder = getenv("top_builddir");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/unit/.libs/%s.so", folder ? folder : ".", name);
    module = dlopen(path, RTLD_NOW);
    ck_assert_msg(module != NULL, "%s", dlerror());
}

static void load_module(void)
{
    load("images_module");
    void *symbol = module_symbol("images_module_tls");
    memcpy(&module_tls, &symbol, sizeof module_tls);
}

START_TEST(loaded_object_comes_and_goes)
{
    ck_assert(gl_images_read(&images));
    size_t n_data = images.n_data, n_tls = images.n_tls;
    load_module();
    ck_assert(gl_images_read(&images));
    const char *zeroed = module_symbol("images_module_zeroed");
    ck_assert(is_in_data(module_symbol("images_module_data")));
    ck_assert(is_in_data(zeroed));
    ck_assert(is_in_data(zeroed + 100 * sizeof(int) - 1));
    ck_assert(!is_in_data(module_symbol("images_module_relocated")));
    ck_assert_uint_gt(images.n_data, n_data);
    ck_assert_uint_eq(images.n_tls, n_tls + 1);
    ck_assert_uint_ge(images.tls[n_tls].size_bytes, 300 * sizeof(int));
    ck_assert_int_eq(dlclose(module), 0);
    ck_assert(gl_images_read(&images));
    ck_assert_uint_eq(images.n_data, n_data);
    ck_assert_uint_eq(images.n_tls, n_tls);
}
END_TEST

START_TEST(shared_object_with_our_code_leaves_itself_out)
{
    load("images_inside");
    int (*is_left_out)(const void *);
    void *symbol = module_symbol("images_inside_is_left_out");
    memcpy(&is_left_out, &symbol, sizeof is_left_out);
    ck_assert(is_left_out(&in_data));
}
END_TEST

typedef struct tls_search {
    uintptr_t address;
    bool is_found;
} tls_search;

static void look(uintptr_t start, uintptr_t end, void *arg)
{
    tls_search *search = arg;
    search->is_found = search->is_found || (search->address >= start && search->address < end);
}

static bool is_in_tls(uintptr_t thread_pointer, const void *p)
{
    tls_search search = {.address = (uintptr_t)p};
    gl_images_dynamic_tls(&images, thread_pointer, look, &search);
    return search.is_found;
}

static volatile gl_word stage, its_pointer, its_number, its_dynamic;

static void *use_tls_when_told(void *arg)
{
    gl_store_relaxed(&its_pointer, gl_threads_pointer());
    gl_store_relaxed(&its_number, (uintptr_t)&thread_local_number);
    gl_store_release(&stage, 1);
    while (gl_load_acquire(&stage) != 2)
        unit_sleep_us(1000);
    gl_store_relaxed(&its_dynamic, (uintptr_t)module_tls());
    gl_store_release(&stage, 3);
    while (gl_load_acquire(&stage) != 4)
        unit_sleep_us(1000);
    return arg;
}

static void go_to_stage(size_t wanted)
{
    while (gl_load_acquire(&stage) != wanted)
        unit_sleep_us(1000);
}

START_TEST(dynamic_storage_of_each_thread)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, use_tls_when_told, NULL), 0);
    go_to_stage(1);
    load_module(); /* after the thread began: its block of the module is made at the first use */
    ck_assert(gl_images_read(&images));
    uintptr_t theirs = gl_load_relaxed(&its_pointer);
    int *own = module_tls();
    ck_assert(is_in_tls(gl_threads_pointer(), own));
    ck_assert(!is_in_tls(theirs, own));
    gl_store_release(&stage, 2);
    go_to_stage(3);
    int *dynamic = (int *)gl_load_relaxed(&its_dynamic);
    ck_assert_ptr_ne(dynamic, own);
    ck_assert(is_in_tls(theirs, dynamic));
    ck_assert(is_in_tls(theirs, dynamic + 149));
    ck_assert(!is_in_tls(theirs, dynamic + 150));
    ck_assert(!is_in_tls(gl_threads_pointer(), dynamic));
    /* The storage that every thread begins with is included. */
    ck_assert(is_in_tls(gl_threads_pointer(), &thread_local_number));
    ck_assert(is_in_tls(theirs, (int *)gl_load_relaxed(&its_number)));
    gl_store_release(&stage, 4);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(strange_thread_pointers_are_refused)
{
    ck_assert(gl_images_read(&images));
    uintptr_t not_a_block[4] = {(uintptr_t)not_a_block, 1, 2, 3};
    ck_assert(!is_in_tls(0, &in_data));
    ck_assert(!is_in_tls(8, &in_data));
    ck_assert(!is_in_tls(UINTPTR_MAX - 7, &in_data));
    ck_assert(!is_in_tls((uintptr_t)not_a_block, &in_data));
    ck_assert(!is_in_tls((uintptr_t)not_a_block + 1, &in_data));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("os/images");
    TCase *tests = unit_case(suite, "images", 20);
    tcase_add_test(tests, data_of_program_and_libraries);
    tcase_add_test(tests, what_the_loader_protects_is_left_out);
    tcase_add_test(tests, reading_again_gives_the_same);
    tcase_add_test(tests, loaded_object_comes_and_goes);
    tcase_add_test(tests, shared_object_with_our_code_leaves_itself_out);
    tcase_add_test(tests, dynamic_storage_of_each_thread);
    tcase_add_test(tests, strange_thread_pointers_are_refused);
    return unit_run(suite);
}
