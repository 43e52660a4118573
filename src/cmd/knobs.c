/* SPDX-License-Identifier: MIT */
/*
 * cmd/knobs.c - the library's options as the command sees them: to list, and to check before the
 * program starts. (The library reads them again, by the same table, from the environment.)
 */
#include "base/knobs.h"
#include "cmd/cmd.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum knob_type { KNOB_FLAG, KNOB_COUNT, KNOB_BYTES, KNOB_CHOICE, KNOB_TEXT } knob_type;

typedef struct knob {
    const char *name;
    knob_type type;
    uint64_t initial, min, max;
    const char *choices; /* "a|b|c" */
    const char *help;
} knob;

static const knob knobs[] = {
#define GL_KNOB(name, type, initial, min, max, choices, help)                                      \
    {#name, KNOB_##type, initial, min, max, choices, help},
#include "base/knobs.def"
#undef GL_KNOB
};

enum { N_KNOBS = sizeof knobs / sizeof *knobs };

/* ---- List ------------------------------------------------------------------------------------ */

/* A number of bytes as one would write it. */
static const char *bytes_text(uint64_t bytes)
{
    if (bytes == UINT64_MAX) {
        return "none";
    }
    const char *units = "kmg";
    char unit = '\0';
    while (*units != '\0' && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit = *units++;
    }
    return gl_cmd_format("%llu%.1s", (unsigned long long)bytes, (char[]){unit, '\0'});
}

/* Word number `index` of "a|b|c". */
static const char *choice_text(const char *choices, uint64_t index)
{
    while (index-- > 0) {
        choices += strcspn(choices, "|");
        choices += *choices == '|';
    }
    return gl_cmd_format("%.*s", (int)strcspn(choices, "|"), choices);
}

static const char *initial_text(const knob *k)
{
    switch (k->type) {
    case KNOB_BYTES:
        return bytes_text(k->initial);
    case KNOB_CHOICE:
        return choice_text(k->choices, k->initial);
    case KNOB_TEXT:
        return "none";
    case KNOB_FLAG:
    case KNOB_COUNT:
        break;
    }
    return gl_cmd_format("%llu", (unsigned long long)k->initial);
}

static const char *type_text(const knob *k)
{
    static const char *const words[] = {
        [KNOB_FLAG] = "0|1", [KNOB_COUNT] = "N", [KNOB_BYTES] = "BYTES", [KNOB_TEXT] = "TEXT"};
    return k->type == KNOB_CHOICE ? k->choices : words[k->type];
}

void gl_knob_list(void)
{
    puts("In GLEANER_OPTIONS as name=value:name=value, as variables GLEANER_NAME=value, or as\n"
         "gleaner run --option name=value. BYTES may end in k, m or g.\n");
    for (const knob *k = knobs; k < knobs + N_KNOBS; k++) {
        printf("  %s=%s  (default: %s)\n      %s\n", k->name, type_text(k), initial_text(k),
               k->help);
    }
}

/* ---- Check ----------------------------------------------------------------------------------- */

/* Letters that must be inserted, removed or replaced to make one of the other (Levenshtein). */
static size_t distance(const char *a, size_t a_length, const char *b)
{
    enum { MAX_LETTERS = 40 };
    size_t row[MAX_LETTERS + 1];
    size_t b_length = strlen(b);
    if (a_length > MAX_LETTERS || b_length > MAX_LETTERS) {
        return MAX_LETTERS;
    }
    for (size_t j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[b_length];
}

/* One name is a part of the other: then nothing else is nearer. */
static bool is_part(const char *a, size_t a_length, const char *b)
{
    size_t b_length = strlen(b);
    return a_length >= 3 &&
           (memmem(b, b_length, a, a_length) != NULL || memmem(a, a_length, b, b_length) != NULL);
}

static bool fail_unknown(const char *name, size_t length)
{
    const knob *nearest = NULL;
    size_t nearest_distance = 4; /* further is not near */
    for (const knob *k = knobs; k < knobs + N_KNOBS; k++) {
        size_t d = is_part(name, length, k->name) ? 0 : distance(name, length, k->name);
        if (d < nearest_distance) {
            nearest_distance = d;
            nearest = k;
        }
    }
    if (nearest != NULL) {
        gl_cmd_say("there is no option '%.*s'; is %s meant? (gleaner options lists them)",
                   (int)length, name, nearest->name);
    } else {
        gl_cmd_say("there is no option '%.*s' (gleaner options lists them)", (int)length, name);
    }
    return false;
}

static bool is_choice(const char *word, const char *choices)
{
    size_t length = strlen(word);
    while (length != 0) {
        size_t n = strcspn(choices, "|");
        if (n == length && memcmp(word, choices, n) == 0) {
            return true;
        }
        if (choices[n] == '\0') {
            break;
        }
        choices += n + 1;
    }
    return false;
}

/* Decimal digits and, for bytes, one suffix. */
static bool is_number(const knob *k, const char *value)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    bool is_whole = isdigit((unsigned char)value[0]) && errno == 0;
    unsigned shift = 0;
    if (k->type == KNOB_BYTES && *end != '\0' && strchr("kKmMgG", *end) != NULL) {
        shift = *end == 'k' || *end == 'K' ? 10 : *end == 'm' || *end == 'M' ? 20 : 30;
        end++;
    }
    return is_whole && *end == '\0' && number <= UINT64_MAX >> shift && number << shift >= k->min &&
           number << shift <= k->max;
}

static bool is_value(const knob *k, const char *value)
{
    switch (k->type) {
    case KNOB_CHOICE:
        return is_choice(value, k->choices);
    case KNOB_TEXT:
        return strlen(value) < GL_KNOB_TEXT_BYTES;
    case KNOB_FLAG:
    case KNOB_COUNT:
    case KNOB_BYTES:
        break;
    }
    return is_number(k, value);
}

static bool fail_value(const knob *k, const char *value)
{
    switch (k->type) {
    case KNOB_CHOICE:
        if (strcmp(k->name, "mode") == 0 && is_choice(value, "safe|leaks")) {
            gl_cmd_say("mode %s is not available in this version; there are: %s", value,
                       k->choices);
            return false;
        }
        gl_cmd_say("%s: '%s' is none of %s", k->name, value, k->choices);
        return false;
    case KNOB_TEXT:
        gl_cmd_say("%s: the value is longer than %d bytes", k->name, GL_KNOB_TEXT_BYTES - 1);
        return false;
    case KNOB_BYTES:
        gl_cmd_say("%s: '%s' is not a number of bytes, at least %llu (as 4096, 64k, 10m, 1g)",
                   k->name, value, (unsigned long long)k->min);
        return false;
    case KNOB_FLAG:
    case KNOB_COUNT:
        break;
    }
    gl_cmd_say("%s: '%s' is not a number from %llu to %llu", k->name, value,
               (unsigned long long)k->min, (unsigned long long)k->max);
    return false;
}

bool gl_knob_check(const char *name, size_t length, const char *value)
{
    for (const knob *k = knobs; k < knobs + N_KNOBS; k++) {
        if (strlen(k->name) == length && memcmp(k->name, name, length) == 0) {
            return is_value(k, value) || fail_value(k, value);
        }
    }
    return fail_unknown(name, length);
}
