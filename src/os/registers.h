/* SPDX-License-Identifier: MIT */
/* os/registers.h - the stack pointer, and what the C library does to pointers that it saves from registers. */
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

/* About where the frame of the calling function is. Reading the register needs no frame pointer. */
static inline __attribute__((always_inline)) uintptr_t gl_os_stack_pointer(void)
{
#if defined(__x86_64__)
    uintptr_t address;
    __asm__("mov %%rsp, %0" : "=r"(address));
    return address;
#else
    return (uintptr_t)__builtin_frame_address(0);
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
