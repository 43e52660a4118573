# SPDX-License-Identifier: MIT

# GL_ARG_CHECK_LEVEL: how much the library checks itself. Level 1 is always there (cheap checks
# of misuse and corruption), 2 adds assertions in the slow paths, 3 adds walks of the whole heap.
AC_DEFUN([GL_ARG_CHECK_LEVEL], [
  AC_ARG_ENABLE([debug],
    [AS_HELP_STRING([--enable-debug], [assertions in the library (GL_CHECK_LEVEL 2)])],
    [], [enable_debug=no])
  AC_ARG_ENABLE([verify],
    [AS_HELP_STRING([--enable-verify], [heap walks after each phase, slow (GL_CHECK_LEVEL 3)])],
    [], [enable_verify=no])
  gl_check_level=1
  AS_IF([test "$enable_debug" = yes], [gl_check_level=2])
  AS_IF([test "$enable_verify" = yes], [gl_check_level=3])
  AC_SUBST([GL_CHECK_LEVEL], [$gl_check_level])
])

# GL_ARG_SANITIZE: --enable-sanitize=address,undefined or =thread, for the tests.
AC_DEFUN([GL_ARG_SANITIZE], [
  AC_ARG_ENABLE([sanitize],
    [AS_HELP_STRING([--enable-sanitize=LIST], [compile with -fsanitize=LIST])],
    [], [enable_sanitize=no])
  AS_CASE([$enable_sanitize],
    [no], [gl_sanitize=],
    [yes], [gl_sanitize=undefined],
    [gl_sanitize=$enable_sanitize])
  GL_SANITIZE_FLAGS=
  AS_IF([test -n "$gl_sanitize"],
    [GL_SANITIZE_FLAGS="-fsanitize=$gl_sanitize -fno-omit-frame-pointer"
     AC_MSG_CHECKING([whether $CC links with -fsanitize=$gl_sanitize])
     gl_save_CFLAGS=$CFLAGS
     CFLAGS="$CFLAGS $GL_SANITIZE_FLAGS"
     AC_LINK_IFELSE([AC_LANG_PROGRAM], [AC_MSG_RESULT([yes])],
       [AC_MSG_RESULT([no])
        AC_MSG_ERROR([--enable-sanitize=$gl_sanitize does not work with $CC])])
     CFLAGS=$gl_save_CFLAGS])
  AC_SUBST([GL_SANITIZE_FLAGS])
  AM_CONDITIONAL([GL_SANITIZED], [test -n "$gl_sanitize"])
])

# GL_ARG_WERROR: warnings are errors in a git checkout, where somebody is there to cure them, and
# not in a release, which must build with compilers that know more warnings than ours.
AC_DEFUN([GL_ARG_WERROR], [
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror],
      [make warnings errors (default: only in a git checkout)])],
    [gl_werror=$enableval],
    [AS_IF([test -e "$srcdir/.git"], [gl_werror=yes], [gl_werror=no])])
])
