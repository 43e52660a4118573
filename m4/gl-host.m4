# SPDX-License-Identifier: MIT

# GL_CHECK_HOST: stop early, with the reason, on a system that the os layer does not know.
AC_DEFUN([GL_CHECK_HOST], [
  AC_REQUIRE([AC_CANONICAL_HOST])
  AS_CASE([$host],
    [x86_64-*-linux-gnu], [],
    [AC_MSG_ERROR([Gleaner runs on x86-64 Linux with glibc; this host is $host])])
])

# GL_CHECK_C11: the sources are C11, with the system's extensions visible.
AC_DEFUN([GL_CHECK_C11], [
  AC_REQUIRE([AC_PROG_CC])
  AC_MSG_CHECKING([whether $CC accepts -std=c11])
  gl_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -std=c11"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[_Static_assert(sizeof(void *) == 8, "64 bits");]],
                                     [[static _Thread_local int x; (void)x;]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([a C11 compiler for a 64-bit target is needed, such as gcc 12 or clang 14])])
  CFLAGS=$gl_save_CFLAGS
])

# GL_CHECK_ATOMIC_OPS: libatomic_ops gives the atomic operations. On this host all of them are
# inline, so that nothing of it is linked into the collector; the link test makes sure of that.
AC_DEFUN([GL_CHECK_ATOMIC_OPS], [
  PKG_CHECK_MODULES([ATOMIC_OPS], [atomic_ops >= 7.4], [],
    [AC_MSG_ERROR([libatomic_ops is missing. On Debian and Ubuntu: apt install libatomic-ops-dev
    (./bootstrap does this). Elsewhere it is the package with the file atomic_ops.h.])])
  AC_MSG_CHECKING([whether the atomic operations are inline])
  gl_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS $ATOMIC_OPS_CFLAGS"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <atomic_ops.h>
static volatile AO_t word;]], [[
    AO_store_release(&word, 1);
    AO_nop_full();
    return (int)(AO_fetch_and_add_full(&word, 1) + AO_load_acquire(&word))
      + AO_compare_and_swap_full(&word, 2, 3);]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([libatomic_ops has no inline operations for this host])])
  CFLAGS=$gl_save_CFLAGS
])
