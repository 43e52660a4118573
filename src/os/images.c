/* SPDX-License-Identifier: MIT */
/*
 * os/images.c - static data and thread-local storage of the loaded objects, from dl_iterate_phdr.
 *
 * Our own object is left out if it is a shared library: its variables are the collector's. Linked
 * statically into the program, they cannot be told from the program's, and are included; the test
 * is whether the object that contains us is the first of the loader's list, the main program.
 *
 * No state and no locks of our own (dl_iterate_phdr takes the loader's). The tables of the caller
 * have mappings of their own.
 */
#include "os/images.h"

#include <fcntl.h>
#include <link.h>

#include "base/bits.h"
#include "base/syscall.h"
#include "os/internal.h"
#include "os/memory.h"

typedef struct reading {
    gl_images *images;
    uintptr_t here; /* an address in our own data */
    size_t n_seen;
    bool has_failed;
} reading;

static bool reserve(void **table, size_t *capacity, size_t wanted, size_t element_bytes)
{
    if (wanted <= *capacity)
        return true;
    size_t new_capacity = *capacity ? *capacity * 2 : 128;
    void *grown =
        gl_os_table_grow(*table, *capacity * element_bytes, new_capacity * element_bytes);
    if (!grown)
        return false;
    *table = grown;
    *capacity = new_capacity;
    return true;
}

static bool add_data(gl_images *images, uintptr_t start, uintptr_t end)
{
    if (start >= end)
        return true;
    void *table = images->data;
    if (!reserve(&table, &images->data_capacity, images->n_data + 1, sizeof *images->data))
        return false;
    images->data = table;
    images->data[images->n_data++] = (gl_image_range){start, end};
    return true;
}

static bool add_tls(gl_images *images, size_t module, size_t size_bytes)
{
    void *table = images->tls;
    if (!reserve(&table, &images->tls_capacity, images->n_tls + 1, sizeof *images->tls))
        return false;
    images->tls = table;
    images->tls[images->n_tls++] = (gl_image_tls){module, size_bytes};
    return true;
}

static gl_image_range range_of(const struct dl_phdr_info *info, const ElfW(Phdr) *header)
{
    uintptr_t start = info->dlpi_addr + header->p_vaddr;
    return (gl_image_range){start, start + header->p_memsz};
}

/* What the loader makes read-only once the object is relocated: whole pages, so that the rest of
 * the last page stays writable. It holds addresses of objects of the loader, none of a heap. */
static gl_image_range protected_part(const struct dl_phdr_info *info)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) {
            gl_image_range range = range_of(info, &info->dlpi_phdr[i]);
            range.start = gl_round_down(range.start, gl_os_page_bytes);
            range.end = gl_round_down(range.end, gl_os_page_bytes);
            return range;
        }
    }
    return (gl_image_range){0, 0};
}

static bool contains(const struct dl_phdr_info *info, uintptr_t address)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        gl_image_range range = range_of(info, &info->dlpi_phdr[i]);
        if (info->dlpi_phdr[i].p_type == PT_LOAD && address >= range.start && address < range.end)
            return true;
    }
    return false;
}

static bool add_segment(gl_images *images, gl_image_range segment, gl_image_range without)
{
    if (without.start >= without.end || without.end <= segment.start ||
        without.start >= segment.end)
        return add_data(images, segment.start, segment.end);
    return add_data(images, segment.start, without.start) &&
           add_data(images, without.end, segment.end);
}

static int read_image(struct dl_phdr_info *info, size_t info_bytes, void *arg)
{
    reading *r = arg;
    bool is_main = r->n_seen++ == 0;
    bool is_skipped = !is_main && contains(info, r->here);
    bool has_tls_module = info_bytes >= offsetof(struct dl_phdr_info, dlpi_tls_modid) +
                                            sizeof info->dlpi_tls_modid;
    gl_image_range without = protected_part(info);
    bool is_ok = true;
    for (size_t i = 0; i < info->dlpi_phnum && is_ok; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD && (header->p_flags & PF_W) && !is_skipped)
            is_ok = add_segment(r->images, range_of(info, header), without);
        else if (header->p_type == PT_TLS && has_tls_module && info->dlpi_tls_modid != 0)
            is_ok = add_tls(r->images, info->dlpi_tls_modid, header->p_memsz);
    }
    r->has_failed = !is_ok;
    return is_ok ? 0 : 1;
}

bool gl_images_read(gl_images *images)
{
    static char here; /* of our object, also where functions are reached through stubs */
    reading r = {.images = images, .here = (uintptr_t)&here};
    images->n_data = 0;
    images->n_tls = 0;
    dl_iterate_phdr(read_image, &r);
    return !r.has_failed;
}

typedef struct naming {
    uint64_t *n_loads;
    void (*fn)(const char *path, void *arg);
    void *arg;
    bool is_begun;
} naming;

static int name_image(struct dl_phdr_info *info, size_t info_bytes, void *arg)
{
    naming *n = arg;
    if (!n->is_begun) {
        n->is_begun = true;
        bool is_counted = info_bytes >= offsetof(struct dl_phdr_info, dlpi_adds) + sizeof info->dlpi_adds;
        if (is_counted && *n->n_loads == info->dlpi_adds)
            return 1;
        *n->n_loads = is_counted ? info->dlpi_adds : 0;
    }
    n->fn(info->dlpi_name, n->arg);
    return 0;
}

void gl_images_each_new(uint64_t *n_loads, void (*fn)(const char *path, void *arg), void *arg)
{
    naming n = {.n_loads = n_loads, .fn = fn, .arg = arg};
    dl_iterate_phdr(name_image, &n);
}

/* --- Dynamic thread-local storage --------------------------------------------------------------- */

#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))

/* glibc's vector of a thread (sysdeps/generic/dl-dtv.h): element -1 has the capacity, 0 the
 * generation, and the others one module each. The layout has not changed since 2.25, and the
 * debugger interface libthread_db depends on it. */
typedef union vector_element {
    size_t counter;
    struct {
        void *block;   /* or NULL, or all ones: this thread has none yet */
        void *to_free; /* NULL for a block of the static storage that every thread begins with */
    } module;
} vector_element;

static const uintptr_t unallocated = UINTPTR_MAX;

static const vector_element *vector_of(uintptr_t thread_pointer)
{
    if (thread_pointer % sizeof(void *) != 0 || !gl_os_is_mapped((void *)thread_pointer))
        return NULL;
    const uintptr_t *block = (const uintptr_t *)thread_pointer;
#if defined(__x86_64__)
    /* Both words that lead to the block itself are there only if glibc made it. */
    if (block[0] != thread_pointer || block[2] != thread_pointer)
        return NULL;
    uintptr_t vector = block[1];
#else
    uintptr_t vector = block[0];
#endif
    if (vector == 0 || vector % sizeof(void *) != 0 || !gl_os_is_mapped((void *)vector))
        return NULL;
    return (const vector_element *)vector;
}

/* A module number may have been given anew since the thread last looked at its vector; the block
 * is then that of an object that is no longer loaded, and may be smaller. */
static bool is_mapped_throughout(uintptr_t start, size_t bytes)
{
    uintptr_t page = gl_round_down(start, gl_os_page_bytes);
    for (; page < start + bytes; page += gl_os_page_bytes) {
        if (!gl_os_is_mapped((void *)page))
            return false;
    }
    return true;
}

void gl_images_dynamic_tls(const gl_images *images, uintptr_t thread_pointer,
                           void (*fn)(uintptr_t start, uintptr_t end, void *arg), void *arg)
{
    const vector_element *vector = vector_of(thread_pointer);
    if (!vector)
        return;
    size_t capacity = vector[-1].counter;
    for (size_t i = 0; i < images->n_tls; i++) {
        size_t module = images->tls[i].module;
        size_t bytes = images->tls[i].size_bytes;
        if (module > capacity)
            continue;
        uintptr_t start = (uintptr_t)vector[module].module.block;
        if (start == 0 || start == unallocated)
            continue;
        uintptr_t end = start + bytes;
        bool is_static = vector[module].module.to_free == NULL;
        if (is_static && start < thread_pointer && end > thread_pointer)
            end = thread_pointer; /* such blocks lie below it, all in one piece of memory */
        if (start < end && (is_static || is_mapped_throughout(start, bytes)))
            fn(start, end, arg);
    }
}

#else

void gl_images_dynamic_tls(const gl_images *images, uintptr_t thread_pointer,
                           void (*fn)(uintptr_t start, uintptr_t end, void *arg), void *arg)
{
    (void)images;
    (void)thread_pointer;
    (void)fn;
    (void)arg;
}

#endif

/* --- By address --------------------------------------------------------------------------------- */

typedef struct file_search {
    uintptr_t address;
    gl_image_file *file;
    bool is_found;
} file_search;

static void copy_path(gl_image_file *file, const char *name)
{
    size_t n = 0;
    for (; name[n] && n < sizeof file->path - 1; n++)
        file->path[n] = name[n];
    file->path[n] = '\0';
}

/* The program itself has no name in the loader's list. */
static void read_program_path(gl_image_file *file)
{
    long n = gl_syscall4(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)file->path,
                         sizeof file->path - 1);
    file->path[gl_syscall_failed(n) ? 0 : n] = '\0';
}

static int find_in_image(struct dl_phdr_info *info, size_t size, void *arg)
{
    file_search *search = arg;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum && !search->is_found; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        search->is_found = p->p_type == PT_LOAD &&
                           search->address - (info->dlpi_addr + p->p_vaddr) < p->p_memsz;
    }
    if (!search->is_found)
        return 0;
    search->file->base = info->dlpi_addr;
    if (info->dlpi_name && info->dlpi_name[0])
        copy_path(search->file, info->dlpi_name);
    else
        read_program_path(search->file);
    return 1;
}

bool gl_images_find(uintptr_t address, gl_image_file *file)
{
    file_search search = {.address = address, .file = file};
    dl_iterate_phdr(find_in_image, &search);
    return search.is_found;
}
