/* SPDX-License-Identifier: MIT */
/* cmd/doctor_files.c - what can be told of a program before it runs: from its file and its
 * libraries. */
#include "cmd/doctor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How the file name of a library begins. */
typedef struct known_library {
    const char *name, *why;
} known_library;

static const known_library hiders[] = {
#define GL_HIDER(name, why) {name, why},
#include "base/hiders.def"
#undef GL_HIDER
};

static const known_library allocators[] = {
    {"libjemalloc", "jemalloc"},       {"libtcmalloc", "tcmalloc"}, {"libmimalloc", "mimalloc"},
    {"libgc.so", "Boehm's collector"}, {"libsnmalloc", "snmalloc"}, {"libhoard", "Hoard"},
    {"librpmalloc", "rpmalloc"},
};

static const known_library rings[] = {{"liburing", ""}};

static const known_library *find(const known_library *table, size_t n, const char *file)
{
    for (size_t i = 0; i < n; i++) {
        if (strncmp(file, table[i].name, strlen(table[i].name)) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

#define FIND(table, file) find(table, sizeof table / sizeof table[0], file)

/* ---- One file -------------------------------------------------------------------------------- */

static void note_malloc(const char *name, void *has_malloc)
{
    if (strcmp(name, "malloc") == 0) {
        *(bool *)has_malloc = true;
    }
}

static bool defines_malloc(const char *path)
{
    bool has_malloc = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        gl_elf_each_export(fd, note_malloc, &has_malloc);
        close(fd);
    }
    return has_malloc;
}

static const char *file_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void look_at_library(const char *path, gl_report *report)
{
    const char *file = file_of(path);
    const known_library *hider = FIND(hiders, file), *allocator = FIND(allocators, file);
    if (hider != NULL) {
        gl_report_add(report, GL_REMARK,
                      "Nothing to do: where it is loaded, memory that the program loses is kept;"
                      " what it frees is reused.",
                      "%s hides pointers: %s", path, hider->why);
    }
    if (FIND(rings, file) != NULL) {
        gl_report_add(report, GL_REMARK,
                      "If it hides pointers so, run it in mode malloc; requests that carry the"
                      " address of memory that is also known elsewhere do no harm.",
                      "%s: a pointer that is kept only as user data of io_uring is in the kernel,"
                      " where no collector sees it",
                      path);
    }
    bool is_libc = strncmp(file, "libc.so", 7) == 0 || strncmp(file, "ld-linux", 8) == 0;
    bool is_ours = strncmp(file, "libgleaner", 10) == 0;
    if (allocator != NULL || (!is_libc && !is_ours && defines_malloc(path))) {
        gl_report_add(report, GL_REMARK,
                      "Gleaner's malloc takes its place; memory from calls under other names is"
                      " searched for pointers, and never reclaimed. Better without it.",
                      "%s brings an allocator of its own%s%s", path, allocator != NULL ? ": " : "",
                      allocator != NULL ? allocator->why : "");
    }
}

/* ---- All that is loaded ---------------------------------------------------------------------- */

/* A line is "NAME => PATH (ADDRESS)", "PATH (ADDRESS)" or "NAME => not found". */
static void look_at_line(char *line, gl_report *report)
{
    char *arrow = strstr(line, " => ");
    char *path = arrow != NULL ? arrow + 4 : line + strspn(line, " \t");
    char *end = strstr(path, " (0x");
    if (end != NULL) {
        *end = '\0';
        look_at_library(path, report);
    } else if (arrow != NULL && strncmp(path, "not found", 9) == 0) {
        *arrow = '\0';
        gl_report_add(report, GL_REMARK, "It will not start before that is installed.",
                      "%s is needed and not found", line + strspn(line, " \t"));
    }
}

/* The loader lists what it would load, and does not start the program. */
static FILE *list_libraries(const gl_program *program, pid_t *loader)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return NULL;
    }
    *loader = fork();
    if (*loader == 0) {
        int none = open("/dev/null", O_RDWR);
        dup2(none, 0);
        dup2(ends[1], 1);
        dup2(none, 2);
        setenv("LD_TRACE_LOADED_OBJECTS", "1", 1); /* unlike --list, goes on if one is missing */
        execl(program->elf.loader, program->elf.loader, program->file, (char *)NULL);
        _exit(GL_EXIT_NOT_EXECUTABLE);
    }
    close(ends[1]);
    if (*loader < 0) {
        close(ends[0]);
        return NULL;
    }
    return fdopen(ends[0], "r");
}

static void look_at_libraries(const gl_program *program, gl_report *report)
{
    pid_t loader;
    char *line = NULL;
    size_t bytes = 0;
    FILE *list = list_libraries(program, &loader);
    if (list == NULL) {
        return;
    }
    while (getline(&line, &bytes, list) >= 0) {
        look_at_line(line, report);
    }
    free(line);
    fclose(list);
    waitpid(loader, NULL, 0);
}

void gl_doctor_look_at_files(const gl_program *program, gl_report *report)
{
    if (program->file == NULL) {
        return; /* it may be started and not read, or is a script without a first line */
    }
    if (defines_malloc(program->file)) {
        gl_report_add(report, GL_IMPOSSIBLE,
                      "Link it without that allocator, or link it with libgleaner-malloc.",
                      "%s defines malloc itself: a preloaded library does not take its place",
                      program->file);
    }
    if (program->elf.loader[0] != '\0') {
        look_at_libraries(program, report);
    }
}
