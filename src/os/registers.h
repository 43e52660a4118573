/* SPDX-License-Identifier: MIT */
/* os/registers.h - what the C library does to pointers that it saves from registers. */
#ifndef GL_OS_REGISTERS_H
#define GL_OS_REGISTERS_H

#include <stdint.h>

/* setjmp stores the frame pointer (which may hold any value of the program's, and be its only
 * copy) rotated and XORed with a secret in the thread control block: glibc's PTR_MANGLE. The
 * inverse; on other machines the word itself. */
enum { GL_OS_MANGLE_ROTATION = 17 };

/* What demangling XORs the rotated word with; 0 where nothing is mangled, and nothing rotated. */
static inline uintptr_t gl_os_mangle_key(void)
{
#if defined(__x86_64__) && defined(__GLIBC__)
    uintptr_t guard;
    __asm__("mov %%fs:0x30, %0" : "=r"(guard));
    return guard;
#else
    return 0;
#endif
}

static inline unsigned gl_os_mangle_rotation(void)
{
#if defined(__x86_64__) && defined(__GLIBC__)
    return GL_OS_MANGLE_ROTATION;
#else
    return 0;
#endif
}

static inline uintptr_t gl_os_demangle(uintptr_t word)
{
#if defined(__x86_64__) && defined(__GLIBC__)
    return (word >> GL_OS_MANGLE_ROTATION | word << (64 - GL_OS_MANGLE_ROTATION)) ^
           gl_os_mangle_key();
#else
    return word;
#endif
}

#endif
