# SPDX-License-Identifier: MIT
# gleaner.m4 - for programs that use Gleaner and are built with Autoconf      serial 1

# GLEANER_CHECK([ACTION-IF-FOUND], [ACTION-IF-NOT-FOUND], [MINIMUM-VERSION])
# Finds Gleaner through pkg-config and checks that a program links with it. Sets and substitutes
# GLEANER_CFLAGS and GLEANER_LIBS, and GLEANER_MALLOC_LIBS for a program that also wants malloc
# on the collected heap. Without ACTION-IF-NOT-FOUND a missing library stops configure.
AC_DEFUN([GLEANER_CHECK], [
  AC_REQUIRE([PKG_PROG_PKG_CONFIG])
  PKG_CHECK_MODULES([GLEANER], [gleaner >= m4_default([$3], [0.1])], [gleaner_found=yes],
    [gleaner_found=no])
  AS_IF([test "$gleaner_found" = yes], [
    PKG_CHECK_MODULES([GLEANER_MALLOC], [gleaner-malloc], [], [GLEANER_MALLOC_LIBS=])
    AC_MSG_CHECKING([whether a program links with Gleaner])
    gleaner_save_CFLAGS=$CFLAGS
    gleaner_save_LIBS=$LIBS
    CFLAGS="$CFLAGS $GLEANER_CFLAGS"
    LIBS="$GLEANER_LIBS $LIBS"
    AC_LINK_IFELSE(
      [AC_LANG_PROGRAM([[#include <gleaner/gc.h>]], [[return gc_malloc(1) == 0;]])],
      [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       gleaner_found=no])
    CFLAGS=$gleaner_save_CFLAGS
    LIBS=$gleaner_save_LIBS])
  AC_SUBST([GLEANER_CFLAGS])
  AC_SUBST([GLEANER_LIBS])
  AC_SUBST([GLEANER_MALLOC_LIBS])
  AS_IF([test "$gleaner_found" = yes], [m4_default([$1], [:])],
    [m4_default([$2], [AC_MSG_ERROR([Gleaner is missing (pkg-config finds no gleaner.pc)])])])
])
