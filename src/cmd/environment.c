/* SPDX-License-Identifier: MIT */
/*
 * cmd/environment.c - the environment in which a program has the library, and its start.
 *
 * Each option of the library becomes a variable GLEANER_<NAME>, not a part of GLEANER_OPTIONS: it
 * wins over what the environment says, and its value may hold a colon. The variables are inherited
 * by what the program starts, like LD_PRELOAD itself.
 */
#include "cmd/cmd.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool set_variable(const char *name, const char *value)
{
    if (setenv(name, value, 1) != 0) {
        gl_cmd_say("cannot set %s: %m", name);
        return false;
    }
    return true;
}

/* An option of the library, checked, as its variable. */
static bool set_knob(const char *name, size_t length, const char *value)
{
    if (!gl_knob_check(name, length, value)) {
        return false;
    }
    char *variable = gl_cmd_format("GLEANER_%.*s", (int)length, name);
    for (char *c = variable; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    return set_variable(variable, value);
}

bool gl_set_named(const char *name, const char *value)
{
    return set_knob(name, strlen(name), value);
}

bool gl_set_pair(const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL) {
        gl_cmd_say("--option: '%s' is not NAME=VALUE", text);
        return false;
    }
    return set_knob(text, (size_t)(equals - text), equals + 1);
}

/* First in the list, and once: a program under `gleaner run` may use it again. */
bool gl_set_preload(const char *library)
{
    const char *others = getenv("LD_PRELOAD");
    if (others == NULL || others[0] == '\0') {
        return set_variable("LD_PRELOAD", library);
    }
    size_t length = strlen(library);
    if (strncmp(others, library, length) == 0 && strchr(": ", others[length]) != NULL) {
        return true;
    }
    return set_variable("LD_PRELOAD", gl_cmd_format("%s:%s", library, others));
}

/* execvp(), not execv(): it starts a shell for a script without its first line. The path has a
 * slash, so it is not searched for again. */
int gl_become(const char *path, char **argv)
{
    execvp(path, argv);
    int error = errno;
    gl_cmd_say("%s: cannot be executed: %s", path, strerror(error));
    return error == ENOENT ? GL_EXIT_NOT_FOUND : GL_EXIT_NOT_EXECUTABLE;
}
