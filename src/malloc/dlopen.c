/* SPDX-License-Identifier: MIT */
/*
 * malloc/dlopen.c - modules that ask for RTLD_DEEPBIND.
 *
 * With that flag a module finds the names in the libraries that it needs before those of the
 * program: malloc in the C library, though the rest of the process has ours, and one frees what the
 * other has allocated. Debian's php loads its modules so. The flag is taken away; names that the
 * module shares with the program then mean the program's, as they do for every other module.
 *
 * dlopen() looks at its return address: the caller's RUNPATH and $ORIGIN count, and its namespace.
 * So this is a jump, not a call (-O2 makes it one, and a test watches it). dlmopen() cannot be
 * mended: a new namespace has a C library of its own.
 */
#include "malloc/calls.h"

GL_MALLOC_PUBLIC void *dlopen(const char *file, int mode)
{
    return gl_real()->dlopen(file, mode & ~RTLD_DEEPBIND);
}
