/* SPDX-License-Identifier: MIT */
/*
 * api/findings.h - what speaks against running this program on Gleaner's heap, as lines in the file of
 * option findings_file.
 *
 * A line is `pid=... program=... finding=WORD` and words `key=value`; `text=` is the last and goes on to the
 * end of the line. Each is appended by one write(). The words:
 *
 *   started         the library is in the process (written at the start; a process that a fork makes has none)
 *   misuse          call, text: a call got a pointer that it must not get (written at once)
 *   hidden_pointer  bytes, call, count: memory was used to which no pointer was found
 *   lost_kept       text: why what the program lost is kept for good
 *   not_stopped     tid: a thread that has the suspend signal and does not take it
 *   seccomp         mode: the process has confined itself
 *   no_proc         /proc cannot be read
 *
 * The last five are written at the end of the process, if it ends by exit().
 */
#ifndef GL_API_FINDINGS_H
#define GL_API_FINDINGS_H

#include <gleaner/gc.h>

void gl_findings_started(void);
void gl_findings_misuse(const gc_error *error, const char *kind);
void gl_findings_ended(void);

#endif
