/* SPDX-License-Identifier: MIT */
/*
 * cmd/library.c - where libgleaner-malloc.so is: named by the environment, beside this command (in
 * the build tree, or installed anywhere), or in the configured place.
 */
#include "cmd/cmd.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char variable[] = "GLEANER_LIBRARY";
static const char name[] = "libgleaner-malloc.so.1"; /* with its soname: the other is for linkers */

/* The loader takes these for the end of a name in LD_PRELOAD, and there is no way to quote them. */
static bool is_preloadable(const char *path)
{
    if (strpbrk(path, ": ") == NULL) {
        return true;
    }
    gl_cmd_say(
        "the path of the library, '%s', has a space or a colon, which LD_PRELOAD cannot hold;"
        " make a link to it elsewhere and name that in %s",
        path, variable);
    return false;
}

static const char *from_environment(const char *path)
{
    char *absolute = realpath(path, NULL);
    if (absolute == NULL || access(absolute, R_OK) != 0) {
        gl_cmd_say("the library that %s names, '%s', cannot be read: %m", variable, path);
        return NULL;
    }
    return absolute;
}

/* "" if the system does not say. */
static const char *own_directory(void)
{
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    if (length <= 0 || length >= PATH_MAX) {
        return "";
    }
    path[length] = '\0';
    return dirname(path);
}

static const char *look_in(const char *directory, const char *below)
{
    char *path = gl_cmd_format("%s%s/%s", directory, below, name);
    if (access(path, R_OK) != 0) {
        return NULL;
    }
    char *absolute = realpath(directory, NULL);
    return absolute == NULL ? path : gl_cmd_format("%s%s/%s", absolute, below, name);
}

static const char *beside_command(const char *directory)
{
    struct utsname system;
    if (directory[0] == '\0' || uname(&system) != 0) {
        return NULL;
    }
    const char *path = look_in(directory, "/.libs"); /* the build tree */
    const char *parent = gl_cmd_format("%s/..", directory);
    if (path == NULL) {
        path = look_in(parent, "/lib");
    }
    if (path == NULL) {
        path = look_in(parent, gl_cmd_format("/lib/%s-linux-gnu", system.machine));
    }
    return path != NULL ? path : look_in(parent, "/lib64");
}

const char *gl_library_find(void)
{
    const char *path;
    const char *wanted = getenv(variable);
    if (wanted != NULL && wanted[0] != '\0') {
        path = from_environment(wanted);
        return path != NULL && is_preloadable(path) ? path : NULL;
    }
    const char *directory = own_directory();
    path = beside_command(directory);
    if (path == NULL) {
        path = look_in(GL_LIBDIR, "");
    }
    if (path == NULL) {
        gl_cmd_say("cannot find %s: looked beside this command (%s/../lib) and in %s; %s=PATH"
                   " names it",
                   name, directory, GL_LIBDIR, variable);
        return NULL;
    }
    return is_preloadable(path) ? path : NULL;
}
