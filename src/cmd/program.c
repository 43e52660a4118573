/* SPDX-License-Identifier: MIT */
/*
 * cmd/program.c - find the program to run, and see before it starts whether the library can get
 * into it. Where the loader would silently leave the library out, the user is told why.
 */
#include "cmd/cmd.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
    MAX_SCRIPT_DEPTH = 4, /* the kernel follows as many interpreters of interpreters */
    LINE_BYTES = 256      /* and reads as much of the first line of a script */
};

/* ---- Find ------------------------------------------------------------------------------------ */

/* 0, or the error that execve() would give. */
static int try_path(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return errno;
    }
    if (S_ISDIR(status.st_mode)) {
        return EISDIR;
    }
    return S_ISREG(status.st_mode) && access(path, X_OK) == 0 ? 0 : EACCES;
}

/* Searches the PATH. As a shell: a file that may not be executed counts only if there is no other.
 */
static const char *search(const char *name, int *error)
{
    const char *directories = getenv("PATH");
    const char *refused = NULL;
    if (directories == NULL) {
        directories = "/usr/local/bin:/usr/bin:/bin";
    }
    for (const char *at = directories;; at++) {
        size_t length = strcspn(at, ":");
        const char *path = length == 0 ? gl_cmd_format("./%s", name)
                                       : gl_cmd_format("%.*s/%s", (int)length, at, name);
        int result = try_path(path);
        if (result == 0) {
            return path;
        }
        if (result == EACCES && refused == NULL) {
            refused = path;
        }
        at += length;
        if (*at == '\0') {
            break;
        }
    }
    *error = refused == NULL ? ENOENT : EACCES;
    return refused;
}

int gl_program_find(const char *name, const char **path)
{
    int error = 0;
    if (strchr(name, '/') != NULL) {
        *path = name;
        error = try_path(name);
    } else if (name[0] == '\0') {
        error = ENOENT;
    } else {
        *path = search(name, &error);
    }
    if (error == ENOENT || error == ENOTDIR) {
        gl_cmd_say("%s: not found%s", name[0] == '\0' ? "''" : name,
                   strchr(name, '/') == NULL ? " in the PATH" : "");
        return GL_EXIT_NOT_FOUND;
    }
    if (error != 0) {
        gl_cmd_say("%s: cannot be executed: %s", *path, strerror(error));
        return GL_EXIT_NOT_EXECUTABLE;
    }
    return 0;
}

/* ---- Inspect --------------------------------------------------------------------------------- */

/* Notes why it cannot be; the first reason is the one that counts. */
__attribute__((format(printf, 2, 3))) static void refuse(gl_program *program, const char *format,
                                                         ...)
{
    va_list list;
    va_start(list, format);
    if (program->n_refusals < GL_REFUSALS_MAX) {
        program->refusals[program->n_refusals++] = gl_cmd_vformat(format, list);
    }
    va_end(list);
}

static const char *machine_name(uint16_t machine)
{
    switch (machine) {
    case EM_386:
        return "32-bit x86";
    case EM_X86_64:
        return "x86-64";
    case EM_ARM:
        return "32-bit ARM";
    case EM_AARCH64:
        return "AArch64";
    case EM_RISCV:
        return "RISC-V";
    case EM_PPC64:
        return "POWER";
    case EM_S390:
        return "S/390";
    case EM_MIPS:
        return "MIPS";
    default:
        return "another machine";
    }
}

/* Whether the kernel starts it with privileges of its own: then the loader ignores LD_PRELOAD (and
 * the library its options). Refused to everybody, though root could do it. */
static int check_privileges(gl_program *program, const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && (status.st_mode & (S_ISUID | S_ISGID)) != 0) {
        refuse(program,
               "%s: is a set-%s-id program: the system lets no library be preloaded into such"
               " a program. Run a copy without that bit",
               path, (status.st_mode & S_ISUID) != 0 ? "user" : "group");
        return GL_EXIT_FAILED;
    }
    if (getxattr(path, "security.capability", NULL, 0) > 0) {
        refuse(program,
               "%s: has file capabilities: the system lets no library be preloaded into such a"
               " program. Run a copy without them",
               path);
        return GL_EXIT_FAILED;
    }
    return 0;
}

/* What the library itself is for. */
static bool read_library(gl_program *program, const char *library, gl_elf *elf)
{
    int fd = open(library, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        gl_elf_read(fd, elf);
        close(fd);
    }
    if (fd < 0 || !elf->is_elf) {
        refuse(program, "%s: is not a shared library", library);
        return false;
    }
    return true;
}

static int check_elf(gl_program *program, const char *path, const char *library)
{
    gl_elf ours;
    const gl_elf *elf = &program->elf;
    if (!read_library(program, library, &ours)) {
        return GL_EXIT_FAILED;
    }
    if (elf->width != ours.width || elf->order != ours.order || elf->machine != ours.machine) {
        refuse(program, "%s: is a %s program, and this Gleaner is for %s%s", path,
               machine_name(elf->machine), machine_name(ours.machine),
               elf->machine == EM_X86_64 && elf->width == ELFCLASS32 ? " with 64-bit pointers"
                                                                     : "");
        return elf->machine == EM_386 ? GL_EXIT_FAILED : GL_EXIT_NOT_EXECUTABLE;
    }
    if (!elf->has_headers) {
        return 0;
    }
    if (!elf->is_dynamic) {
        refuse(program,
               "%s: is statically linked: no library can be preloaded into it. Link it with"
               " libgleaner-malloc instead",
               path);
        return GL_EXIT_FAILED;
    }
    if (elf->loader[0] != '\0' && access(elf->loader, F_OK) != 0) {
        refuse(program, "%s: needs the loader %s, which is missing", path, elf->loader);
        return GL_EXIT_NOT_EXECUTABLE;
    }
    if (strstr(elf->loader, "/ld-musl-") != NULL) {
        refuse(program, "%s: is built for another C library (musl), and Gleaner is for glibc",
               path);
        return GL_EXIT_FAILED;
    }
    if (elf->sanitizer != NULL) {
        refuse(program,
               "%s: is compiled with %s, which brings a malloc of its own: the two cannot work"
               " together. Compile it without -fsanitize",
               path, elf->sanitizer);
        return GL_EXIT_FAILED;
    }
    return check_privileges(program, path);
}

/* The interpreter that the first line of a script names, or NULL if this is no script. */
static const char *interpreter_of(int fd)
{
    char line[LINE_BYTES];
    ssize_t bytes = pread(fd, line, sizeof line - 1, 0);
    if (bytes < 2 || line[0] != '#' || line[1] != '!') {
        return NULL;
    }
    line[bytes] = '\0';
    line[strcspn(line, "\n")] = '\0';
    const char *start = line + 2 + strspn(line + 2, " \t");
    return gl_cmd_format("%.*s", (int)strcspn(start, " \t"), start);
}

static int check_file(gl_program *program, const char *path, const char *library, int depth)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0; /* it may be started and not read: nothing to look at */
    }
    gl_elf_read(fd, &program->elf);
    const char *interpreter = program->elf.is_elf ? NULL : interpreter_of(fd);
    close(fd);
    if (program->elf.is_elf) {
        program->file = path;
        return check_elf(program, path, library);
    }
    if (interpreter == NULL || interpreter[0] == '\0' || depth == MAX_SCRIPT_DEPTH) {
        return 0; /* the kernel, or a shell, knows what it is */
    }
    int error = try_path(interpreter);
    if (error != 0) {
        refuse(program, "%s: is a script, and its interpreter %s cannot be started: %s", path,
               interpreter, strerror(error));
        return error == ENOENT ? GL_EXIT_NOT_FOUND : GL_EXIT_NOT_EXECUTABLE;
    }
    int status = check_file(program, interpreter, library, depth + 1);
    if (status != 0) {
        refuse(program, "%s: is a script for %s", path, interpreter);
    }
    return status;
}

int gl_program_inspect(const char *path, const char *library, gl_program *program)
{
    memset(program, 0, sizeof *program);
    return check_file(program, path, library, 0);
}
