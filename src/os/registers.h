/* SPDX-License-Identifier: MIT */
/* os/registers.h - what the C library does to pointers that it saves from registers. */
#ifndef GL_OS_REGISTERS_H
#define GL_OS_REGISTERS_H

#include <stdint.h>

/* setjmp stores the frame pointer (which may hold any value of the program's, and be its only
 * copy) rotated and XORed with a secret in the thread control block: glibc's PTR_MANGLE. The
 * inverse; on other machines the word itself. */
static inline uintptr_t gl_os_demangle(uintptr_t word)
{
#if defined(__x86_64__) && defined(__GLIBC__)
    uintptr_t guard;
    __asm__("mov %%fs:0x30, %0" : "=r"(guard));
    return (word >> 17 | word << 47) ^ guard;
#else
    return word;
#endif
}

#endif
