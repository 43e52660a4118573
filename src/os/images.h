/* SPDX-License-Identifier: MIT */
/*
 * os/images.h - the loaded objects: their static data and their thread-local storage.
 *
 * gl_images_read() calls dl_iterate_phdr, which takes the loader's lock: it must run before the
 * world is stopped (a stopped thread may hold that lock), never after.
 */
#ifndef GL_OS_IMAGES_H
#define GL_OS_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gl_image_range {
    uintptr_t start;
    uintptr_t end;
} gl_image_range;

typedef struct gl_image_tls {
    size_t module;      /* the loader's number of the module, from 1 */
    size_t size_bytes;  /* of the block that each thread may have of it */
} gl_image_tls;

typedef struct gl_images {
    gl_image_range *data; /* writable segments, bss included, without what RELRO protects, and
                             without those of this library itself */
    size_t n_data;
    gl_image_tls *tls;
    size_t n_tls;
    size_t data_capacity, tls_capacity; /* private */
} gl_images;

/* Reads the present state (memory is kept from call to call; start with zeroes). False if memory
 * is short. */
bool gl_images_read(gl_images *images);

/* If objects have been loaded since *n_loads was set (0: ever), calls fn(path, arg) for all that are loaded
 * now. Takes the loader's lock, as gl_images_read(). */
void gl_images_each_new(uint64_t *n_loads, void (*fn)(const char *path, void *arg), void *arg);

/* The loaded object that contains an address: its file, and where it was loaded, less where the file says that
 * it belongs. Takes the loader's lock. */
enum { GL_IMAGE_PATH_BYTES = 4096 };
typedef struct gl_image_file {
    uintptr_t base;
    char path[GL_IMAGE_PATH_BYTES];
} gl_image_file;
bool gl_images_find(uintptr_t address, gl_image_file *file);

/* Calls fn(start, end, arg) for each thread-local block of the thread whose control block is at
 * `thread_pointer` that the loader has allocated dynamically, by the thread's vector of blocks
 * (glibc's layout on x86-64 and aarch64; nothing elsewhere). The world is stopped. */
void gl_images_dynamic_tls(const gl_images *images, uintptr_t thread_pointer,
                           void (*fn)(uintptr_t start, uintptr_t end, void *arg), void *arg);

#endif
