/* SPDX-License-Identifier: MIT */
/*
 * api/option_report.c - what is wrong with an option, in one line, with the names that were
 * probably meant.
 *
 *   gleaner: warning: GLEANER_OPTIONS: 'triger_bytes': no such option; near: trigger_bytes
 *   gleaner: warning: GLEANER_TRIGGER_BYTES: '12q' is not a number of bytes (as 4096, 64k, 1g)
 *   gleaner: error: GLEANER_MODE: 'safe' is not available in this version; there are: ...
 */
#include "api/option_report.h"

#include <string.h>

#include "base/fmt.h"

enum {
    SHOWN_MAX = 60,    /* bytes of a value in a message */
    COMPARED_MAX = 40, /* letters of a name that are compared */
    NEAR_DISTANCE = 3, /* further is not near */
    CONTAINED_MIN = 3  /* letters of a name that is part of another */
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* What the user gave: cut, and without control characters, which could forge a line. */
static void add_slice(gl_fmt *line, gl_slice s)
{
    char shown[SHOWN_MAX + 1];
    size_t n = s.length < SHOWN_MAX ? s.length : SHOWN_MAX;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.at[i];
        shown[i] = c < ' ' || c == 0x7f ? '?' : (char)c;
    }
    shown[n] = '\0';
    gl_fmt_str(line, shown);
    if (n < s.length) {
        gl_fmt_str(line, "...");
    }
}

/* The name of an option as one writes it in that source. */
static void add_name(gl_fmt *line, const char *name, bool is_variable)
{
    char shown[SHOWN_MAX + 1];
    size_t n = 0;
    for (; name[n] && n < SHOWN_MAX; n++) {
        shown[n] = is_variable ? upper(name[n]) : name[n];
    }
    shown[n] = '\0';
    gl_fmt_str(line, is_variable ? "GLEANER_" : "");
    gl_fmt_str(line, shown);
}

/* ---- Near names ----------------------------------------------------------------------------- */

static bool contains(const char *text, size_t text_length, const char *part, size_t part_length)
{
    for (size_t at = 0; at + part_length <= text_length; at++) {
        size_t i = 0;
        while (i < part_length && lower(text[at + i]) == lower(part[i])) {
            i++;
        }
        if (i == part_length) {
            return true;
        }
    }
    return false;
}

/* How many letters must be inserted, removed or replaced to make one of the other, not minding case
 * (Levenshtein); 0 if one contains the other and is long enough for that to mean something. */
static uint32_t distance_of(gl_slice a, const char *b)
{
    size_t n = a.length, m = strlen(b);
    if (n > COMPARED_MAX || m > COMPARED_MAX) {
        return COMPARED_MAX;
    }
    if ((n >= CONTAINED_MIN && contains(b, m, a.at, n)) ||
        (m >= CONTAINED_MIN && contains(a.at, n, b, m))) {
        return 0;
    }
    uint32_t row[COMPARED_MAX + 1]; /* distances of the letters of `a` so far from b[0..j) */
    for (uint32_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (uint32_t i = 1; i <= n; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            uint32_t best = diagonal + (lower(a.at[i - 1]) != lower(b[j - 1]));
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[m];
}

/* The names that are nearest, if any is near; else all. */
static void add_near_names(gl_fmt *line, gl_slice key, bool is_variable)
{
    uint32_t nearest = NEAR_DISTANCE + 1;
    for (size_t i = 0; i < gl_n_knobs; i++) {
        uint32_t distance = distance_of(key, gl_knob_table[i].name);
        nearest = distance < nearest ? distance : nearest;
    }
    /* Three wrong letters out of four are not near. */
    bool is_any_near = nearest <= NEAR_DISTANCE && (nearest == 0 || 2 * nearest <= key.length);
    gl_fmt_str(line, is_any_near ? "; near:" : "; there are:");
    for (size_t i = 0; i < gl_n_knobs; i++) {
        if (!is_any_near || distance_of(key, gl_knob_table[i].name) == nearest) {
            gl_fmt_str(line, " ");
            add_name(line, gl_knob_table[i].name, is_variable);
        }
    }
}

/* "a|b|c" as "a b c". */
static void add_choices(gl_fmt *line, const char *choices)
{
    gl_fmt_str(line, "; there are: ");
    for (; *choices; choices++) {
        char one[2] = {*choices == '|' ? ' ' : *choices, '\0'};
        gl_fmt_str(line, one);
    }
}

/* ---- The line ------------------------------------------------------------------------------- */

static void add_range(gl_fmt *line, const gl_knob *knob)
{
    gl_fmt_str(line, " is out of range: ");
    gl_fmt_dec(line, knob->min);
    gl_fmt_str(line, " to ");
    gl_fmt_dec(line, knob->max);
}

static void add_why(gl_fmt *line, const gl_knob *knob, gl_option_fault fault)
{
    switch (fault) {
    case GL_OPTION_NO_VALUE:
        gl_fmt_str(line, " has no value (key=value)");
        break;
    case GL_OPTION_NOT_A_FLAG:
        gl_fmt_str(line, " is neither 0 nor 1");
        break;
    case GL_OPTION_NOT_A_NUMBER:
        gl_fmt_str(line, " is not a number");
        break;
    case GL_OPTION_NOT_BYTES:
        gl_fmt_str(line, " is not a number of bytes (as 4096, 64k, 1g)");
        break;
    case GL_OPTION_OUT_OF_RANGE:
        add_range(line, knob);
        break;
    case GL_OPTION_NO_SUCH_CHOICE:
        gl_fmt_str(line, " is no value of this option");
        add_choices(line, knob->choices);
        break;
    case GL_OPTION_NOT_AVAILABLE:
        gl_fmt_str(line, " is not available in this version");
        add_choices(line, knob->choices);
        break;
    case GL_OPTION_TOO_LONG:
        gl_fmt_str(line, " is longer than ");
        gl_fmt_dec(line, GL_KNOB_TEXT_BYTES - 1);
        gl_fmt_str(line, " bytes");
        break;
    case GL_OPTION_OK:
    case GL_OPTION_UNKNOWN:
        break;
    }
}

static void add_unknown(gl_fmt *line, const gl_option_given *given)
{
    bool is_variable = given->where == NULL;
    gl_fmt_str(line, is_variable ? "GLEANER_" : "'");
    add_slice(line, given->key);
    gl_fmt_str(line, is_variable ? ": no such option" : "': no such option");
    add_near_names(line, given->key, is_variable);
}

void gl_option_report(const gl_option_given *given, gl_option_fault fault)
{
    gl_fmt line;
    gl_fmt_init(&line);
    gl_fmt_str(&line, "gleaner: ");
    gl_fmt_str(&line, fault == GL_OPTION_NOT_AVAILABLE ? "error: " : "warning: ");
    if (given->where) {
        gl_fmt_str(&line, given->where);
        gl_fmt_str(&line, ": ");
    }
    if (fault == GL_OPTION_UNKNOWN) {
        add_unknown(&line, given);
    } else if (fault == GL_OPTION_NO_VALUE) {
        add_name(&line, given->knob->name, given->where == NULL);
        add_why(&line, given->knob, fault);
    } else {
        add_name(&line, given->knob->name, given->where == NULL);
        gl_fmt_str(&line, ": '");
        add_slice(&line, given->value);
        gl_fmt_str(&line, "'");
        add_why(&line, given->knob, fault);
    }
    gl_fmt_str(&line, "\n");
    gl_fmt_write(&line, 2);
}
