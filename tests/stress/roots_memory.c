/* SPDX-License-Identifier: MIT */
/* tests/stress/roots_memory.c - places in memory: static data, modules, objects, mappings,
 * ranges. */
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gleaner/roots.h>

#include "roots.h"

enum { MAPPED_BYTES = 65536, AFTER = 2048 /* words into the mapping */ };

/* The usual way: put, collect, clear. */
static void try_word(trial *t, void *word)
{
    put(t, word);
    collect_and_look(t);
    memset(word, 0, sizeof(void *));
}

/* ---- The program's own data ------------------------------------------------------------------ */

static void *zero_data[3];
static void *filled_data[3] = {(void *)16, NULL, (void *)32};
static __thread void *tls_word;

static void in_bss(trial *t) { try_word(t, &zero_data[1]); }
static void in_data(trial *t) { try_word(t, &filled_data[1]); }
static void in_tls(trial *t) { try_word(t, &tls_word); }

static void on_own_stack(trial *t)
{
    void *volatile word;
    try_word(t, (void *)(uintptr_t)&word);
}

/* Not aligned to a word: not seen, as README says. */
static void misaligned(trial *t)
{
    try_word(t, (char *)&zero_data[0] + 4);
}

static void interior(trial *t)
{
    put_interior(t, &zero_data[1], 100);
    collect_and_look(t);
    zero_data[1] = NULL;
}

static void one_past_end(trial *t)
{
    put_interior(t, &zero_data[1], 264);
    collect_and_look(t);
    zero_data[1] = NULL;
}

/* As runtimes mark the type of a value. */
static void tagged(trial *t)
{
    put_interior(t, &zero_data[1], 3);
    collect_and_look(t);
    zero_data[1] = NULL;
}

static void before_start(trial *t)
{
    put_interior(t, &zero_data[1], -8);
    collect_and_look(t);
    zero_data[1] = NULL;
}

/* ---- Objects --------------------------------------------------------------------------------- */

static void *anchor;

static void in_object_of(trial *t, void *object, size_t word)
{
    anchor = object;
    REQUIRE(object != NULL);
    try_word(t, (void **)object + word);
    anchor = NULL;
}

static void in_scanned(trial *t) { in_object_of(t, gc_malloc(128), 7); }
static void in_large(trial *t) { in_object_of(t, gc_malloc(500000), 50000); }
static void in_atomic(trial *t) { in_object_of(t, gc_malloc_atomic(128), 7); }
static void in_last_word(trial *t) { in_object_of(t, gc_malloc(64), 7); }

static void in_uncollectable(trial *t)
{
    void **p = gc_malloc_uncollectable(128);
    uintptr_t hidden = stress_hide(p);
    p = NULL;
    try_word(t, (void **)stress_reveal(hidden) + 3);
    gc_free(stress_reveal(hidden));
}

static gc_layout *layout(void)
{
    static const size_t offsets[] = {8};
    return gc_layout_new(32, offsets, 1);
}

static void *new_typed(void)
{
    return gc_malloc_typed(320, layout());
}

static void in_typed_pointer(trial *t) { in_object_of(t, new_typed(), 4 * 9 + 1); }
static void in_typed_number(trial *t) { in_object_of(t, new_typed(), 4 * 9 + 2); }

static void in_malloc(trial *t)
{
    anchor = malloc(300);
    try_word(t, (void **)anchor + 30);
    free(anchor);
    anchor = NULL;
}

static void in_reallocated(trial *t)
{
    void **p = calloc(10, sizeof *p);
    p = realloc(p, 100000 * sizeof *p);
    anchor = p;
    try_word(t, p + 90000);
    free(p);
    anchor = NULL;
}

/* ---- Mappings -------------------------------------------------------------------------------- */

static void **map_memory(int flags, int fd)
{
    return mmap(NULL, MAPPED_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);
}

static void in_mapping(trial *t, void **p)
{
    REQUIRE((void *)p != MAP_FAILED);
    try_word(t, p + AFTER);
    munmap(p, MAPPED_BYTES);
}

static void in_private_mapping(trial *t)
{
    in_mapping(t, map_memory(MAP_PRIVATE | MAP_ANONYMOUS, -1));
}

static void in_shared_mapping(trial *t)
{
    in_mapping(t, map_memory(MAP_SHARED | MAP_ANONYMOUS, -1));
}

static void in_file_mapping(trial *t, int flags)
{
    int fd = memfd_create("gleaner-test", 0);
    REQUIRE(fd >= 0 && ftruncate(fd, MAPPED_BYTES) == 0);
    in_mapping(t, map_memory(flags, fd));
    close(fd);
}

static void in_private_file(trial *t) { in_file_mapping(t, MAP_PRIVATE); }
static void in_shared_file(trial *t) { in_file_mapping(t, MAP_SHARED); }

/* Behind the program's data, where it ends by the kernel's account. */
static void in_brk_area(trial *t)
{
    void **p = sbrk(MAPPED_BYTES);
    REQUIRE((void *)p != (void *)-1);
    p = (void **)(((uintptr_t)p + sizeof *p - 1) & ~(sizeof *p - 1));
    try_word(t, p + AFTER);
    REQUIRE(sbrk(-MAPPED_BYTES) != (void *)-1);
}

/* Written first, and then made read-only, as programs do with tables. */
static void in_read_only_mapping(trial *t)
{
    void **p = map_memory(MAP_PRIVATE | MAP_ANONYMOUS, -1);
    REQUIRE((void *)p != MAP_FAILED);
    put(t, p + AFTER);
    REQUIRE(mprotect(p, MAPPED_BYTES, PROT_READ) == 0);
    collect_and_look(t);
    munmap(p, MAPPED_BYTES);
}

/* ---- Mappings inside the library's own range of addresses ------------------------------------ */

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* At the first free place from `distance` behind an object of ours on. */
static void **map_behind_heap(size_t distance)
{
    const uintptr_t step = 65536;
    uintptr_t at = ((uintptr_t)stress_reveal(stress_hide(gc_malloc(16))) + distance) & ~(step - 1);
    for (int i = 0; i < 100000; i++, at += step) {
        void *p = mmap((void *)at, MAPPED_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (p == (void *)at) {
            return p;
        }
        if (p != MAP_FAILED) {
            munmap(p, MAPPED_BYTES); /* a kernel that does not know the flag */
        }
    }
    return MAP_FAILED;
}

static void next_to_arena(trial *t) { in_mapping(t, map_behind_heap(65536)); }
static void far_in_arena(trial *t) { in_mapping(t, map_behind_heap((size_t)1 << 34)); }
static void among_our_tables(trial *t)
{
    in_mapping(t, map_behind_heap(((size_t)8 << 40) + ((size_t)200 << 30)));
}

/* The heap grows around the mapping, whose content stays. */
static void surrounded_by_arena(trial *t)
{
    enum { N_LARGE = 64, LARGE_BYTES = 1 << 20 };
    void **p = map_behind_heap(65536);
    REQUIRE((void *)p != MAP_FAILED);
    memset(p, 0x11, MAPPED_BYTES);
    put(t, p + AFTER);
    for (int i = 0; i < N_LARGE; i++) {
        void *large = gc_malloc_atomic(LARGE_BYTES);
        REQUIRE(large != NULL);
        memset(large, 0xee, LARGE_BYTES);
    }
    collect_and_look(t);
    p[AFTER] = p[0];
    bool is_intact = true;
    for (size_t i = 0; i < MAPPED_BYTES; i++) {
        is_intact = is_intact && ((unsigned char *)p)[i] == 0x11;
    }
    EXPECT(is_intact);
    munmap(p, MAPPED_BYTES);
}

/* ---- Registered and excluded ranges ---------------------------------------------------------- */

static void in_added_range(trial *t)
{
    void **p = map_memory(MAP_PRIVATE | MAP_ANONYMOUS, -1);
    REQUIRE((void *)p != MAP_FAILED);
    REQUIRE(gc_add_root(p + AFTER, sizeof *p) == 0);
    try_word(t, p + AFTER);
    REQUIRE(gc_remove_root(p + AFTER, sizeof *p) == 0);
    munmap(p, MAPPED_BYTES);
}

static void *excluded_data[16];

static void exclude_once(void)
{
    static bool is_excluded;
    REQUIRE(is_excluded || gc_exclude_root(excluded_data, sizeof excluded_data) == 0);
    is_excluded = true;
}

static void in_excluded_range(trial *t)
{
    exclude_once();
    try_word(t, &excluded_data[8]);
}

static void in_added_part_of_excluded(trial *t)
{
    exclude_once();
    REQUIRE(gc_add_root(&excluded_data[3], sizeof(void *)) == 0);
    try_word(t, &excluded_data[3]);
    REQUIRE(gc_remove_root(&excluded_data[3], sizeof(void *)) == 0);
}

static void pinned(trial *t)
{
    if (t->erase == 0) {
        REQUIRE(gc_pin(stress_reveal(t->hidden)) == 0);
    }
    collect_and_look(t);
    if (t->erase == 0) {
        REQUIRE(gc_unpin(stress_reveal(t->hidden)) == 0);
    }
}

/* ---- Modules --------------------------------------------------------------------------------- */

typedef void **module_word(void);

static void *open_module(module_word **word, const char *name)
{
    void *module = dlopen(module_path, RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        fprintf(stderr, "%s\n", dlerror());
    }
    REQUIRE(module != NULL);
    void *symbol = dlsym(module, name);
    REQUIRE(symbol != NULL);
    memcpy(word, &symbol, sizeof symbol); /* a function from an object pointer, without a warning */
    return module;
}

static void in_module(trial *t, const char *name)
{
    module_word *word;
    void *module = open_module(&word, name);
    try_word(t, word());
    dlclose(module);
}

static void in_module_data(trial *t) { in_module(t, "module_data"); }
static void in_module_tls(trial *t) { in_module(t, "module_tls"); }

static void in_closed_module(trial *t)
{
    module_word *word;
    void *module = open_module(&word, "module_data");
    put(t, word());
    dlclose(module);
    collect_and_look(t);
}

static void *use_module_in_thread(void *arg)
{
    module_word *word;
    void *module = open_module(&word, "module_tls");
    put(arg, word());
    rest();
    *word() = NULL;
    dlclose(module);
    return NULL;
}

static void in_module_tls_of_thread(trial *t)
{
    try_in_thread(t, use_module_in_thread, NULL);
}

const place memory_places[] = {
    {"zero static data", in_bss, 0},
    {"static data", in_data, 0},
    {"thread-local storage", in_tls, 0},
    {"own stack", on_own_stack, 0},
    {"misaligned word", misaligned, IS_NO_ROOT},
    {"interior pointer", interior, 0},
    {"pointer one past the end", one_past_end, 0},
    {"tagged pointer", tagged, 0},
    {"pointer before the start", before_start, IS_NO_ROOT},
    {"scanned object", in_scanned, 0},
    {"last word of an object", in_last_word, 0},
    {"large object", in_large, 0},
    {"atomic object", in_atomic, IS_NO_ROOT},
    {"uncollectable object", in_uncollectable, 0},
    {"typed object, pointer", in_typed_pointer, 0},
    {"typed object, number", in_typed_number, IS_NO_ROOT},
    {"malloc", in_malloc, NEEDS_MALLOC},
    {"realloc", in_reallocated, NEEDS_MALLOC},
    {"private mapping", in_private_mapping, NEEDS_MALLOC},
    {"shared mapping", in_shared_mapping, NEEDS_MALLOC},
    {"private file", in_private_file, NEEDS_MALLOC},
    {"shared file", in_shared_file, NEEDS_MALLOC},
    {"area of brk", in_brk_area, NEEDS_MALLOC},
    {"read-only mapping", in_read_only_mapping, NEEDS_MALLOC},
    {"mapping next to the arena", next_to_arena, NEEDS_MALLOC},
    {"mapping far in the arena", far_in_arena, NEEDS_MALLOC},
    {"mapping among the tables", among_our_tables, NEEDS_MALLOC},
    {"mapping that the arena surrounds", surrounded_by_arena, NEEDS_MALLOC},
    {"added range", in_added_range, 0},
    {"excluded range", in_excluded_range, IS_NO_ROOT},
    {"added part of an excluded range", in_added_part_of_excluded, 0},
    {"pin", pinned, 0},
    {"module's static data", in_module_data, NEEDS_MODULE},
    {"module's thread-local storage", in_module_tls, NEEDS_MODULE},
    {"module's thread-local storage in a thread", in_module_tls_of_thread, NEEDS_MODULE},
    {"closed module", in_closed_module, NEEDS_MODULE | IS_NO_ROOT},
    {NULL, NULL, 0},
};
