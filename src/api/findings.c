/* SPDX-License-Identifier: MIT */
/* api/findings.c - see findings.h. */
#include "api/findings.h"

#include "api/options.h"
#include "api/write.h"
#include "base/fmt.h"
#include "base/knobs.h"
#include "collect/lost.h"
#include "os/system.h"
#include "os/threads.h"

/* False: nobody wants to know. */
static bool is_wanted(gl_knob_text *path)
{
    gl_options_copy_text(path, &gl_options.findings_file);
    return path->text[0] != '\0';
}

static void begin(gl_fmt *line, const char *finding)
{
    gl_write_begin(line);
    gl_fmt_str(line, " finding=");
    gl_fmt_str(line, finding);
}

static void add_text(gl_fmt *line, const char *key, const char *value)
{
    gl_fmt_str(line, key);
    gl_fmt_str(line, value);
}

static void add_number(gl_fmt *line, const char *key, uint64_t value)
{
    gl_fmt_str(line, key);
    gl_fmt_dec(line, value);
}

static void end(gl_fmt *line, const gl_knob_text *path)
{
    gl_fmt_str(line, "\n");
    gl_write_append(path->text, line);
}

void gl_findings_started(void)
{
    gl_knob_text path;
    gl_fmt line;
    if (is_wanted(&path)) {
        begin(&line, "started");
        end(&line, &path);
    }
}

/* `kind` may be of several words. */
void gl_findings_misuse(const gc_error *error, const char *kind)
{
    gl_knob_text path;
    gl_fmt line;
    if (is_wanted(&path)) {
        begin(&line, "misuse");
        add_text(&line, " call=", error->call);
        add_text(&line, " text=", kind);
        add_text(&line, ": ", error->why);
        end(&line, &path);
    }
}

/* ---- At the end ----------------------------------------------------------------------------- */

static void write_hidden(const gl_knob_text *path)
{
    gl_lost_evidence evidence;
    for (size_t i = 0; gl_lost_evidence_at(i, &evidence); i++) {
        gl_fmt line;
        begin(&line, "hidden_pointer");
        add_number(&line, " bytes=", evidence.bytes);
        add_text(&line, " call=", evidence.call);
        add_number(&line, " count=", evidence.count);
        end(&line, path);
    }
}

static void write_kept(const gl_knob_text *path)
{
    if (gl_lost_is_all_kept()) {
        gl_fmt line;
        begin(&line, "lost_kept");
        add_text(&line, " text=", gl_lost_why_kept());
        end(&line, path);
    }
}

static void write_unstopped(int tid, void *path)
{
    gl_fmt line;
    begin(&line, "not_stopped");
    add_number(&line, " tid=", (uint64_t)tid);
    end(&line, path);
}

static void write_system(const gl_knob_text *path)
{
    gl_fmt line;
    int mode = gl_os_seccomp_mode();
    if (mode < 0) {
        begin(&line, "no_proc");
        end(&line, path);
    } else if (mode > 0) {
        begin(&line, "seccomp");
        add_number(&line, " mode=", (uint64_t)mode);
        end(&line, path);
    }
}

void gl_findings_ended(void)
{
    gl_knob_text path;
    if (is_wanted(&path)) {
        write_hidden(&path);
        write_kept(&path);
        gl_threads_each_unstopped(write_unstopped, &path);
        write_system(&path);
    }
}
