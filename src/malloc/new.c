/* SPDX-License-Identifier: MIT */
/*
 * malloc/new.c - C++'s operator new and delete in all their forms, as C functions with the mangled
 * names, so that nothing here needs a C++ library.
 *
 * WHO CALLS WHOM is what the C++ standard says of the default operators, for a program may replace
 * any of them and count on the others to come through its own: new[] calls new, a sized, nothrow or
 * array delete calls the plain delete. These calls go by the public (weak) name, which the dynamic
 * linker binds to the program's replacement if it has one.
 *
 * NO MEMORY. A throwing form asks std::get_new_handler() for a handler and calls it, again and
 * again; without one it throws std::bad_alloc. Both functions belong to the C++ library that the
 * program has loaded: found by weak references, or, if it came later by dlopen(), by asking the
 * loader. (A static link takes nothing from an archive for a weak reference: there the program is
 * linked with -Wl,-u,_ZSt15get_new_handlerv,-u,_ZSt17__throw_bad_allocv.) A nothrow form must turn
 * an exception of the handler into NULL, which needs a catch: once it has no memory it hands over
 * to the nothrow operator of the C++ library, which calls the throwing form here and catches.
 * Compiled with -fexceptions, so that exceptions pass through.
 */
#include "malloc/malloc.h"

#include <dlfcn.h>
#include <stdint.h>

#include "base/check.h"
#include "base/panic.h"
#include "heap/alloc.h"
#include "heap/heap.h"

/* Weak, so that neither compiler takes the body for the only one there can be. */
#define GL_OPERATOR GL_MALLOC_PUBLIC __attribute__((weak))

/* Off the hot path: not inlined, so that the fast case saves no registers. */
#define GL_COLD __attribute__((cold, noinline))

struct nothrow; /* std::nothrow_t */

typedef void new_handler(void);
typedef void *nothrow_new(size_t bytes, const struct nothrow *tag);
typedef void *nothrow_new_aligned(size_t bytes, size_t alignment, const struct nothrow *tag);

GL_OPERATOR void *_Znwm(size_t bytes);
GL_OPERATOR void *_Znam(size_t bytes);
GL_OPERATOR void *_ZnwmSt11align_val_t(size_t bytes, size_t alignment);
GL_OPERATOR void *_ZnamSt11align_val_t(size_t bytes, size_t alignment);
GL_OPERATOR nothrow_new _ZnwmRKSt9nothrow_t;
GL_OPERATOR nothrow_new _ZnamRKSt9nothrow_t;
GL_OPERATOR nothrow_new_aligned _ZnwmSt11align_val_tRKSt9nothrow_t;
GL_OPERATOR nothrow_new_aligned _ZnamSt11align_val_tRKSt9nothrow_t;
GL_OPERATOR void _ZdlPv(void *p);
GL_OPERATOR void _ZdaPv(void *p);
GL_OPERATOR void _ZdlPvm(void *p, size_t bytes);
GL_OPERATOR void _ZdaPvm(void *p, size_t bytes);
GL_OPERATOR void _ZdlPvRKSt9nothrow_t(void *p, const struct nothrow *tag);
GL_OPERATOR void _ZdaPvRKSt9nothrow_t(void *p, const struct nothrow *tag);
GL_OPERATOR void _ZdlPvSt11align_val_t(void *p, size_t alignment);
GL_OPERATOR void _ZdaPvSt11align_val_t(void *p, size_t alignment);
GL_OPERATOR void _ZdlPvmSt11align_val_t(void *p, size_t bytes, size_t alignment);
GL_OPERATOR void _ZdaPvmSt11align_val_t(void *p, size_t bytes, size_t alignment);
GL_OPERATOR void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment,
                                                     const struct nothrow *tag);
GL_OPERATOR void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment,
                                                     const struct nothrow *tag);

/* ---- The C++ library ------------------------------------------------------------------------- */

/* std::get_new_handler() and std::__throw_bad_alloc(); both libstdc++ and libc++ have them. */
extern new_handler *_ZSt15get_new_handlerv(void) __attribute__((weak));
extern void _ZSt17__throw_bad_allocv(void) __attribute__((weak));

typedef new_handler *handler_getter(void);
typedef void thrower(void);

/* A function of the C++ library by its mangled name, or NULL. After this library in the order of
 * the loader, and failing that in a C++ library that only a dlopen'ed object brought. */
GL_COLD static void *find_in_cxx_library(const char *name)
{
    static const char *const libraries[] = {"libstdc++.so.6", "libc++.so.1", "libc++abi.so.1"};
    void *found = dlsym(RTLD_NEXT, name);
    for (size_t i = 0; found == NULL && i < sizeof libraries / sizeof *libraries; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library != NULL) {
            found = dlsym(library, name);
            dlclose(library);
        }
    }
    return found;
}

GL_COLD static new_handler *current_handler(void)
{
    handler_getter *get = _ZSt15get_new_handlerv;
    if (get == NULL) {
        get = (handler_getter *)(uintptr_t)find_in_cxx_library("_ZSt15get_new_handlerv");
    }
    return get == NULL ? NULL : get();
}

GL_COLD static _Noreturn void throw_bad_alloc(void)
{
    thrower *throw_it = _ZSt17__throw_bad_allocv;
    if (throw_it == NULL) {
        throw_it = (thrower *)(uintptr_t)find_in_cxx_library("_ZSt17__throw_bad_allocv");
    }
    if (throw_it != NULL) {
        throw_it();
    }
    gl_panic("out of memory, and there is no C++ library to throw std::bad_alloc", NULL,
             "operator new");
}

/* ---- new ------------------------------------------------------------------------------------- */

GL_COLD static void *new_slow(size_t alignment, size_t bytes)
{
    for (;;) {
        void *p = gl_malloc_aligned(alignment, bytes);
        if (p != NULL) {
            return p;
        }
        new_handler *handler = current_handler();
        if (handler != NULL) {
            handler();
        } else {
            throw_bad_alloc();
        }
    }
}

/* The bodies of the two operators that all other forms of new come down to. */
static void *new_plain(size_t bytes)
{
    void *p = gl_alloc(bytes, GL_KIND_MALLOC);
    return GL_LIKELY(p != NULL) ? p : new_slow(GL_GRANULE_BYTES, bytes);
}

static void *new_aligned(size_t bytes, size_t alignment)
{
    void *p = gl_malloc_aligned(alignment, bytes);
    return GL_LIKELY(p != NULL) ? p : new_slow(alignment, bytes);
}

void *_Znwm(size_t bytes)
{
    return new_plain(bytes);
}

void *_Znam(size_t bytes)
{
    return _Znwm(bytes);
}

void *_ZnwmSt11align_val_t(size_t bytes, size_t alignment)
{
    return new_aligned(bytes, alignment);
}

void *_ZnamSt11align_val_t(size_t bytes, size_t alignment)
{
    return _ZnwmSt11align_val_t(bytes, alignment);
}

/* ---- new (std::nothrow) ---------------------------------------------------------------------- */

/* Which operators the process has, by the dynamic linker. Volatile: the compiler must look. */
static void *(*const volatile bound_new)(size_t) = _Znwm;
static void *(*const volatile bound_new_array)(size_t) = _Znam;
static void *(*const volatile bound_new_aligned)(size_t, size_t) = _ZnwmSt11align_val_t;
static void *(*const volatile bound_new_array_aligned)(size_t, size_t) = _ZnamSt11align_val_t;

/* This library's own, whatever the process uses. */
static void *own_new(size_t bytes) __attribute__((alias("_Znwm")));
static void *own_new_array(size_t bytes) __attribute__((alias("_Znam")));
static void *own_new_aligned(size_t bytes, size_t alignment)
    __attribute__((alias("_ZnwmSt11align_val_t")));
static void *own_new_array_aligned(size_t bytes, size_t alignment)
    __attribute__((alias("_ZnamSt11align_val_t")));

/* Without memory, or with a replaced operator new: the C++ library's own nothrow form, which calls
 * the throwing form of the process and catches what it throws. */
GL_COLD static void *nothrow_slow(size_t bytes, const struct nothrow *tag, const char *name)
{
    nothrow_new *library_new = (nothrow_new *)(uintptr_t)find_in_cxx_library(name);
    return library_new == NULL ? NULL : library_new(bytes, tag);
}

GL_COLD static void *nothrow_aligned_slow(size_t bytes, size_t alignment, const struct nothrow *tag,
                                          const char *name)
{
    nothrow_new_aligned *library_new = (nothrow_new_aligned *)(uintptr_t)find_in_cxx_library(name);
    return library_new == NULL ? NULL : library_new(bytes, alignment, tag);
}

void *_ZnwmRKSt9nothrow_t(size_t bytes, const struct nothrow *tag)
{
    if (GL_LIKELY(bound_new == own_new)) {
        void *p = gl_alloc(bytes, GL_KIND_MALLOC);
        if (GL_LIKELY(p != NULL) || current_handler() == NULL) {
            return p;
        }
    }
    return nothrow_slow(bytes, tag, "_ZnwmRKSt9nothrow_t");
}

void *_ZnamRKSt9nothrow_t(size_t bytes, const struct nothrow *tag)
{
    if (GL_LIKELY(bound_new_array == own_new_array && bound_new == own_new)) {
        void *p = gl_alloc(bytes, GL_KIND_MALLOC);
        if (GL_LIKELY(p != NULL) || current_handler() == NULL) {
            return p;
        }
    }
    return nothrow_slow(bytes, tag, "_ZnamRKSt9nothrow_t");
}

void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t bytes, size_t alignment, const struct nothrow *tag)
{
    if (GL_LIKELY(bound_new_aligned == own_new_aligned)) {
        void *p = gl_malloc_aligned(alignment, bytes);
        if (GL_LIKELY(p != NULL) || current_handler() == NULL) {
            return p;
        }
    }
    return nothrow_aligned_slow(bytes, alignment, tag, "_ZnwmSt11align_val_tRKSt9nothrow_t");
}

void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t bytes, size_t alignment, const struct nothrow *tag)
{
    if (GL_LIKELY(bound_new_array_aligned == own_new_array_aligned &&
                  bound_new_aligned == own_new_aligned)) {
        void *p = gl_malloc_aligned(alignment, bytes);
        if (GL_LIKELY(p != NULL) || current_handler() == NULL) {
            return p;
        }
    }
    return nothrow_aligned_slow(bytes, alignment, tag, "_ZnamSt11align_val_tRKSt9nothrow_t");
}

/* ---- delete ---------------------------------------------------------------------------------- */

static void delete_plain(void *p)
{
    if (GL_LIKELY(p != NULL)) {
        (void)gl_free(p, "operator delete");
    }
}

void _ZdlPv(void *p)
{
    delete_plain(p);
}

void _ZdlPvSt11align_val_t(void *p, size_t alignment)
{
    (void)alignment;
    delete_plain(p);
}

void _ZdaPv(void *p)
{
    _ZdlPv(p);
}

void _ZdlPvm(void *p, size_t bytes)
{
    (void)bytes;
    _ZdlPv(p);
}

void _ZdaPvm(void *p, size_t bytes)
{
    (void)bytes;
    _ZdaPv(p);
}

void _ZdlPvRKSt9nothrow_t(void *p, const struct nothrow *tag)
{
    (void)tag;
    _ZdlPv(p);
}

void _ZdaPvRKSt9nothrow_t(void *p, const struct nothrow *tag)
{
    (void)tag;
    _ZdaPv(p);
}

void _ZdaPvSt11align_val_t(void *p, size_t alignment)
{
    _ZdlPvSt11align_val_t(p, alignment);
}

void _ZdlPvmSt11align_val_t(void *p, size_t bytes, size_t alignment)
{
    (void)bytes;
    _ZdlPvSt11align_val_t(p, alignment);
}

void _ZdaPvmSt11align_val_t(void *p, size_t bytes, size_t alignment)
{
    (void)bytes;
    _ZdaPvSt11align_val_t(p, alignment);
}

void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment, const struct nothrow *tag)
{
    (void)tag;
    _ZdlPvSt11align_val_t(p, alignment);
}

void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t alignment, const struct nothrow *tag)
{
    (void)tag;
    _ZdaPvSt11align_val_t(p, alignment);
}
