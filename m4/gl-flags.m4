# SPDX-License-Identifier: MIT

# GL_TRY_CFLAGS(VARIABLE, FLAG...): append each flag that the C compiler accepts to VARIABLE.
# -Werror makes clang refuse what it would otherwise only warn about.
AC_DEFUN([GL_TRY_CFLAGS], [
  for gl_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether $CC accepts $gl_flag])
    gl_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror $gl_flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM],
      [AC_MSG_RESULT([yes])
       $1="$$1 $gl_flag"],
      [AC_MSG_RESULT([no])])
    CFLAGS=$gl_save_CFLAGS
  done
])

# GL_TRY_LDFLAGS(VARIABLE, FLAG...): the same for the linker.
AC_DEFUN([GL_TRY_LDFLAGS], [
  for gl_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether the linker accepts $gl_flag])
    gl_save_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS $gl_flag"
    AC_LINK_IFELSE([AC_LANG_PROGRAM],
      [AC_MSG_RESULT([yes])
       $1="$$1 $gl_flag"],
      [AC_MSG_RESULT([no])])
    LDFLAGS=$gl_save_LDFLAGS
  done
])

# GL_COMPILER_WARNINGS: the project's warnings, those of them that this compiler knows.
AC_DEFUN([GL_COMPILER_WARNINGS], [
  GL_WARNING_FLAGS=
  GL_TRY_CFLAGS([GL_WARNING_FLAGS],
    [-Wall -Wextra -Wundef -Wconversion -Wshadow -Wmissing-prototypes])
  GL_CXX_WARNING_FLAGS="-Wall -Wextra"
  AS_IF([test "$gl_werror" = yes],
    [GL_WARNING_FLAGS="$GL_WARNING_FLAGS -Werror"
     GL_CXX_WARNING_FLAGS="$GL_CXX_WARNING_FLAGS -Werror"])
  AC_SUBST([GL_WARNING_FLAGS])
  AC_SUBST([GL_CXX_WARNING_FLAGS])
])

# GL_LIBRARY_FLAGS: how the objects of the libraries are compiled and linked.
#   -fvisibility=hidden                 only what a public header declares is exported
#   -ftls-model=initial-exec            a thread-local access is one load (global-dynamic costs 1.6x)
#   -fno-tree-loop-distribute-patterns  gcc turns short zeroing loops into calls of memset, which
#                                       doubles the time of a small allocation
#   -fno-strict-aliasing                the heap hands out storage of any type
#   -fexceptions                        a finalizer may leave by an exception, and operator new lets
#                                       std::bad_alloc through
# src/malloc in addition:
#   -fno-builtin-...                    calloc must not become a call of calloc
# Linking: bind at start (nothing of ours may run the lazy binder inside malloc), read-only
# relocations, and no unloading, for threads and signal handlers keep addresses of the library.
AC_DEFUN([GL_LIBRARY_FLAGS], [
  GL_LIBRARY_CFLAGS=
  GL_TRY_CFLAGS([GL_LIBRARY_CFLAGS],
    [-fvisibility=hidden -ftls-model=initial-exec -fno-tree-loop-distribute-patterns
     -fno-strict-aliasing -fexceptions])
  GL_MALLOC_CFLAGS=
  GL_TRY_CFLAGS([GL_MALLOC_CFLAGS],
    [-fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free
     -fno-builtin-aligned_alloc -fno-builtin-memalign -fno-builtin-posix_memalign])
  GL_LIBRARY_LDFLAGS=
  GL_TRY_LDFLAGS([GL_LIBRARY_LDFLAGS],
    [-Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,--as-needed])
  AS_IF([test -z "$gl_sanitize"], [GL_TRY_LDFLAGS([GL_LIBRARY_LDFLAGS], [-Wl,-z,defs])])
  AC_SUBST([GL_LIBRARY_CFLAGS])
  AC_SUBST([GL_MALLOC_CFLAGS])
  AC_SUBST([GL_LIBRARY_LDFLAGS])
])
