/* SPDX-License-Identifier: MIT */
/*
 * base/sanitize.h - whether ThreadSanitizer is compiled in. It delivers a signal only when the
 * thread next calls its run-time library, has a thread of its own that blocks every signal, and
 * does not know fences: a few places must do with less there.
 */
#ifndef GL_BASE_SANITIZE_H
#define GL_BASE_SANITIZE_H

#if defined(__SANITIZE_THREAD__)
#define GL_HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GL_HAS_TSAN 1
#endif
#endif

#ifndef GL_HAS_TSAN
#define GL_HAS_TSAN 0
#endif

#endif
