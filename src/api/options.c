/* SPDX-License-Identifier: MIT */
/*
 * api/options.c - the values of the options, and how they are read.
 *
 * Owns gl_options. Writer: the start of the library, one thread; later gc_init(), under `lock`.
 * Readers read single words without a lock, and texts with gl_options_copy_text().
 */
#include "api/options.h"

#include <string.h>

#include "api/option_report.h"
#include "base/fmt.h"
#include "base/lock.h"

/* Texts are empty at first, whatever the table says. */
#define GL_KNOB_INITIAL_FLAG(v)   (v)
#define GL_KNOB_INITIAL_COUNT(v)  (v)
#define GL_KNOB_INITIAL_BYTES(v)  (v)
#define GL_KNOB_INITIAL_CHOICE(v) (v)
#define GL_KNOB_INITIAL_TEXT(v)   {""}

/* Right before the start, too. */
gl_knobs gl_options = {
#define GL_KNOB(name, type, initial, min, max, choices, help)                                      \
    .name = GL_KNOB_INITIAL_##type(initial),
#include "base/knobs.def"
#undef GL_KNOB
};

const gl_knob gl_knob_table[] = {
#define GL_KNOB(name, type, initial, min, max, choices, help)                                      \
    {#name, choices, initial, min, max, offsetof(gl_knobs, name), GL_KNOB_TYPE_##type},
#include "base/knobs.def"
#undef GL_KNOB
};

const size_t gl_n_knobs = sizeof gl_knob_table / sizeof gl_knob_table[0];

static gl_lock lock = GL_LOCK_INIT(GL_RANK_API);

/* Modes of the interface that come in later versions: known, so that the message can say so. */
static const char modes_to_come[] = "leaks";

/* Variables that begin like ours and are not options: used by the command, and by build systems
 * (PKG_CHECK_MODULES makes such names). */
static const char not_options[] = "LIBRARY|PRELOAD|CFLAGS|LIBS|MALLOC_CFLAGS|MALLOC_LIBS";

/* ---- Words ---------------------------------------------------------------------------------- */

static bool is_same(gl_slice a, const char *b, size_t b_length)
{
    return a.length == b_length && memcmp(a.at, b, b_length) == 0;
}

/* The index of a word in "a|b|c", or -1. */
static int find_choice(gl_slice word, const char *choices)
{
    for (int index = 0;; index++) {
        size_t n = strcspn(choices, "|");
        if (is_same(word, choices, n)) {
            return index;
        }
        choices += n;
        if (*choices++ == '\0') {
            return -1;
        }
    }
}

/* Lower case for a list, upper case for a variable. */
static const gl_knob *find_knob(gl_slice key, bool is_variable)
{
    for (size_t i = 0; i < gl_n_knobs; i++) {
        const char *name = gl_knob_table[i].name;
        size_t n = 0;
        while (n < key.length && name[n]) {
            char c = name[n];
            c = is_variable && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
            if (key.at[n] != c) {
                break;
            }
            n++;
        }
        if (n == key.length && name[n] == '\0') {
            return &gl_knob_table[i];
        }
    }
    return NULL;
}

/* ---- Values --------------------------------------------------------------------------------- */

static uint32_t suffix_shift(char c)
{
    switch (c) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    default:
        return 0;
    }
}

/* Decimal digits, and for bytes one suffix. */
static gl_option_fault parse_number(gl_slice value, bool is_bytes, uint64_t *number)
{
    gl_option_fault fault = is_bytes ? GL_OPTION_NOT_BYTES : GL_OPTION_NOT_A_NUMBER;
    uint32_t shift = 0;
    if (is_bytes && value.length > 1) {
        shift = suffix_shift(value.at[value.length - 1]);
        value.length -= shift != 0;
    }
    if (value.length == 0) {
        return fault;
    }
    bool is_too_large = false;
    uint64_t v = 0;
    for (size_t i = 0; i < value.length; i++) {
        if (value.at[i] < '0' || value.at[i] > '9') {
            return fault;
        }
        is_too_large |= __builtin_mul_overflow(v, (uint64_t)10, &v);
        is_too_large |= __builtin_add_overflow(v, (uint64_t)(value.at[i] - '0'), &v);
    }
    is_too_large |= __builtin_mul_overflow(v, (uint64_t)1 << shift, &v);
    *number = v;
    return is_too_large ? GL_OPTION_OUT_OF_RANGE : GL_OPTION_OK;
}

static gl_option_fault set_number(const gl_knob *knob, gl_slice value, uint64_t *field)
{
    uint64_t number = 0;
    gl_option_fault fault = parse_number(value, knob->type == GL_KNOB_TYPE_BYTES, &number);
    bool is_outside = number < knob->min || number > knob->max;
    if (knob->type == GL_KNOB_TYPE_FLAG && (fault != GL_OPTION_OK || is_outside)) {
        return GL_OPTION_NOT_A_FLAG;
    }
    if (fault == GL_OPTION_OK && is_outside) {
        fault = GL_OPTION_OUT_OF_RANGE;
    }
    if (fault == GL_OPTION_OK) {
        *field = number;
    }
    return fault;
}

static gl_option_fault set_choice(const gl_knob *knob, gl_slice value, uint64_t *field)
{
    int index = find_choice(value, knob->choices);
    if (index >= 0) {
        *field = (uint64_t)index;
        return GL_OPTION_OK;
    }
    bool is_to_come = strcmp(knob->name, "mode") == 0 && find_choice(value, modes_to_come) >= 0;
    return is_to_come ? GL_OPTION_NOT_AVAILABLE : GL_OPTION_NO_SUCH_CHOICE;
}

static gl_option_fault set_text(gl_slice value, gl_knob_text *field)
{
    if (value.length >= GL_KNOB_TEXT_BYTES) {
        return GL_OPTION_TOO_LONG;
    }
    memcpy(field->text, value.at, value.length);
    field->text[value.length] = '\0';
    return GL_OPTION_OK;
}

static gl_option_fault set_value(gl_knobs *knobs, const gl_knob *knob, gl_slice value)
{
    void *field = (char *)knobs + knob->offset;
    switch (knob->type) {
    case GL_KNOB_TYPE_CHOICE:
        return set_choice(knob, value, field);
    case GL_KNOB_TYPE_TEXT:
        return set_text(value, field);
    default:
        return set_number(knob, value, field);
    }
}

/* ---- Sources -------------------------------------------------------------------------------- */

static void read_one(gl_knobs *knobs, gl_slice text, const char *where, gl_option_faults *faults)
{
    const char *equals = memchr(text.at, '=', text.length);
    gl_option_given given = {.where = where, .key = text};
    if (equals) {
        given.key.length = (size_t)(equals - text.at);
        given.value.at = equals + 1;
        given.value.length = text.length - given.key.length - 1;
    }
    given.knob = find_knob(given.key, where == NULL);
    gl_option_fault fault = !given.knob ? GL_OPTION_UNKNOWN
                            : !equals   ? GL_OPTION_NO_VALUE
                                        : set_value(knobs, given.knob, given.value);
    if (fault == GL_OPTION_OK) {
        return;
    }
    faults->n_faults++;
    faults->n_not_available += fault == GL_OPTION_NOT_AVAILABLE;
    gl_option_report(&given, fault);
}

void gl_options_read_list(gl_knobs *knobs, const char *list, const char *where,
                          gl_option_faults *faults)
{
    while (*list) {
        gl_slice one = {list, strcspn(list, ":")};
        if (one.length) {
            read_one(knobs, one, where, faults);
        }
        list += one.length;
        list += *list == ':';
    }
}

void gl_options_read_environment(gl_knobs *knobs, char *const *environment,
                                 gl_option_faults *faults)
{
    static const char prefix[] = "GLEANER_";
    static const char list[] = "GLEANER_OPTIONS=";
    if (!environment) {
        return;
    }
    for (char *const *e = environment; *e; e++) {
        if (strncmp(*e, list, sizeof list - 1) == 0) {
            gl_options_read_list(knobs, *e + sizeof list - 1, "GLEANER_OPTIONS", faults);
        }
    }
    for (char *const *e = environment; *e; e++) {
        if (strncmp(*e, prefix, sizeof prefix - 1) != 0 ||
            strncmp(*e, list, sizeof list - 1) == 0) {
            continue;
        }
        const char *text = *e + sizeof prefix - 1;
        gl_slice name = {text, strcspn(text, "=")};
        if (find_choice(name, not_options) < 0) {
            read_one(knobs, (gl_slice){text, strlen(text)}, NULL, faults);
        }
    }
}

bool gl_options_accept(const gl_knobs *knobs, const gl_option_faults *faults)
{
    if (faults->n_faults == 0 || (faults->n_not_available == 0 && !knobs->strict)) {
        return true;
    }
    if (faults->n_not_available == 0) {
        gl_fmt line;
        gl_fmt_init(&line);
        gl_fmt_str(&line, "gleaner: error: not started: with strict=1 a bad option is an error\n");
        gl_fmt_write(&line, 2);
    }
    return false;
}

/* ---- The options of the process ------------------------------------------------------------- */

void gl_options_defaults(gl_knobs *knobs)
{
    memset(knobs, 0, sizeof *knobs);
    for (size_t i = 0; i < gl_n_knobs; i++) {
        if (gl_knob_table[i].type != GL_KNOB_TYPE_TEXT) {
            *(uint64_t *)(void *)((char *)knobs + gl_knob_table[i].offset) =
                gl_knob_table[i].initial;
        }
    }
}

void gl_options_commit(const gl_knobs *knobs)
{
    gl_lock_acquire(&lock);
    gl_options = *knobs;
    gl_lock_release(&lock);
}

void gl_options_copy_text(gl_knob_text *copy, const gl_knob_text *option)
{
    gl_lock_acquire(&lock);
    *copy = *option;
    gl_lock_release(&lock);
}

void gl_options_after_fork_child(void)
{
    gl_lock_reset(&lock);
}
