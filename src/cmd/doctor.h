/* SPDX-License-Identifier: MIT */
/* cmd/doctor.h - what the files of `gleaner doctor` share: the report, and who contributes to it.
 */
#ifndef GL_CMD_DOCTOR_H
#define GL_CMD_DOCTOR_H

#include "cmd/cmd.h"

/* How much a line of the report weighs; the heaviest gives the verdict. */
typedef enum gl_weight { GL_NOTE, GL_REMARK, GL_AGAINST, GL_IMPOSSIBLE } gl_weight;

enum { GL_REPORT_MAX = 64 };

typedef struct gl_report {
    int n_lines;
    struct {
        gl_weight weight;
        const char *text;   /* what was found */
        const char *advice; /* what to do; NULL: nothing */
    } lines[GL_REPORT_MAX];
} gl_report;

void gl_report_add(gl_report *report, gl_weight weight, const char *advice, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Before the run: the file, and the libraries that the loader would load. Nothing is executed but
 * the loader itself, which only lists them. (doctor_files.c) */
void gl_doctor_look_at_files(const gl_program *program, gl_report *report);

/* Runs the program to its end, in the environment as it is, and adds what is to be learned from it.
 * 0, or an exit status, having said why. (doctor_run.c) */
int gl_doctor_run(const char *path, char **argv, const char *library, gl_report *report);

/* Adds what the library wrote into these files. (doctor_figures.c) */
void gl_doctor_read_figures(const char *stats_file, const char *findings_file, gl_report *report);

#endif
