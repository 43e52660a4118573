/* SPDX-License-Identifier: MIT */
/*
 * cmd/cmd.h - what the files of the `gleaner` command share.
 *
 * The command is an ordinary program: it links neither library, may use all of libc, and knows of
 * the rest of the tree only the table of options.
 */
#ifndef GL_CMD_CMD_H
#define GL_CMD_CMD_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit status where it is not the program's own; as env(1), nice(1) and timeout(1) do it. */
enum {
    GL_EXIT_FAILED = 125,         /* the command itself, or what it was asked to do, is at fault */
    GL_EXIT_NOT_EXECUTABLE = 126, /* the program is there and cannot be started */
    GL_EXIT_NOT_FOUND = 127
};

/* Writes "gleaner: " and the message to stderr, as a line. */
void gl_cmd_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* malloc and friends; without memory they say so and exit with GL_EXIT_FAILED. The command runs
 * for a moment: what they return is never freed. */
char *gl_cmd_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *gl_cmd_vformat(const char *format, va_list list) __attribute__((format(printf, 1, 0)));

/* `gleaner run ...`, argv[0] being "run". Returns only on failure, with an exit status, or 0 after
 * --help. */
int gl_cmd_run(int argc, char **argv);

/* `gleaner doctor ...`, argv[0] being "doctor". Returns an exit status. */
int gl_cmd_doctor(int argc, char **argv);

/* `gleaner options`: the table of options on stdout. */
int gl_cmd_options(int argc, char **argv);

/* ---- The library (library.c) ----------------------------------------------------------------- */

/* The absolute path of libgleaner-malloc.so; NULL, having said why, if there is none to use. */
const char *gl_library_find(void);

/* ---- ELF files (elf.c) ----------------------------------------------------------------------- */

enum { GL_ELF_LOADER_BYTES = 256 };

typedef struct gl_elf {
    bool is_elf;
    uint8_t width;                    /* ELFCLASS32 or ELFCLASS64 */
    uint8_t order;                    /* ELFDATA2LSB or ELFDATA2MSB */
    uint16_t machine;                 /* EM_... */
    bool has_headers;                 /* the rest is known: same width and order as this program */
    bool is_dynamic;                  /* started by a loader, or a loader itself */
    char loader[GL_ELF_LOADER_BYTES]; /* its path; "" if there is none */
    const char *sanitizer;            /* whose malloc is part of the program; NULL: none */
} gl_elf;

/* Reads the headers from the beginning of the file. */
void gl_elf_read(int fd, gl_elf *elf);

/* Calls fn for each function and variable that the file defines for others to use. */
void gl_elf_each_export(int fd, void (*fn)(const char *name, void *arg), void *arg);

/* ---- The program (program.c) ----------------------------------------------------------------- */

enum { GL_REFUSALS_MAX = 8 };

typedef struct gl_program {
    const char *file; /* that the kernel starts: the program, or its interpreter; NULL: unknown */
    gl_elf elf;       /* of it */
    int n_refusals;
    const char *refusals[GL_REFUSALS_MAX]; /* why the library cannot be preloaded into it; lines */
} gl_program;

/* Finds `name` as a shell would. 0 with the path in *path, or an exit status, having said why. */
int gl_program_find(const char *name, const char **path);

/* Looks whether the library can be preloaded into the program: 0, or an exit status, with refusals.
 */
int gl_program_inspect(const char *path, const char *library, gl_program *program);

/* ---- The environment (environment.c) --------------------------------------------------------- */

/* Options of the library, checked, as variables; false, having said why. A pair is NAME=VALUE. */
bool gl_set_named(const char *name, const char *value);
bool gl_set_pair(const char *text);

/* Puts the library into LD_PRELOAD. */
bool gl_set_preload(const char *library);

/* Becomes the program; returns only on failure, with an exit status, having said why. */
int gl_become(const char *path, char **argv);

/* ---- Options of the library (knobs.c) -------------------------------------------------------- */

/* Checks a value against the table; false, having said why. `length` is that of the name. */
bool gl_knob_check(const char *name, size_t length, const char *value);

/* The table, on stdout. */
void gl_knob_list(void);

#endif
