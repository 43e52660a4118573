/* SPDX-License-Identifier: MIT */
/*
 * base/check.h - three levels of check.
 *
 *   gl_check(...)   always: what must never go on if it fails, at a cost that nobody sees
 *   gl_debug(...)   GL_CHECK_LEVEL >= 2 (--enable-debug): preconditions of every function
 *   gl_slow(...)    GL_CHECK_LEVEL >= 3 (--enable-verify): whole walks
 */
#ifndef GL_BASE_CHECK_H
#define GL_BASE_CHECK_H

#include "base/panic.h"

#ifndef GL_CHECK_LEVEL
#define GL_CHECK_LEVEL 1
#endif

#define GL_LIKELY(x) __builtin_expect(!!(x), 1)
#define GL_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define gl_check(condition, address)                                         \
    (GL_LIKELY(condition) ? (void)0 : gl_panic(#condition, address, __func__))

#define gl_debug(condition, address) \
    ((GL_CHECK_LEVEL < 2 || (condition)) ? (void)0 : gl_panic(#condition, address, __func__))

#define gl_slow(condition, address) \
    ((GL_CHECK_LEVEL < 3 || (condition)) ? (void)0 : gl_panic(#condition, address, __func__))

#endif
