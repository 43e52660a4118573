/* SPDX-License-Identifier: MIT */
/*
 * builtins.c - the functions that Finch brings. Each borrows its arguments and returns an owned
 * value.
 */
#include "finch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int n_open_files;
int wants_collection;
int has_lost_text;

/* Argument `i`, which must be of that type. */
static struct value argument(const struct arguments *a, int i, enum type type)
{
    if (a->values[i].type != type) {
        fail("argument %d should be a %s, and is a %s", i + 1, type_name(type),
             type_name(a->values[i].type));
    }
    return a->values[i];
}

/* ---- Text and numbers ----------------------------------------------------------------------- */

static struct value builtin_print(const struct arguments *a)
{
    for (int i = 0; i < a->n; i++) {
        const struct string *text = to_string(a->values[i]).as.string;
        fputs(i ? " " : "", stdout);
        fwrite(text->text, 1, text->length, stdout);
    }
    putchar('\n');
    return nil_value();
}

static struct value builtin_str(const struct arguments *a)
{
    return to_string(a->values[0]);
}

static struct value builtin_type(const struct arguments *a)
{
    const char *name = type_name(a->values[0].type);
    return string_value(name, strlen(name));
}

static size_t join_length(const struct map *map, const struct string *between)
{
    size_t position = 0, length = 0;
    const struct entry *entry;
    while ((entry = map_next(map, &position))) {
        if (entry->value.type != TYPE_STRING) {
            fail("join takes strings, not %s", type_name(entry->value.type));
        }
        length += entry->value.as.string->length + (length ? between->length : 0);
    }
    return length;
}

/* join(map, between): the strings of a map in one, each copied once. */
static struct value builtin_join(const struct arguments *a)
{
    const struct map *map = argument(a, 0, TYPE_MAP).as.map;
    const struct string *between = argument(a, 1, TYPE_STRING).as.string;
    struct string *joined = new_string(join_length(map, between));
    const struct entry *entry;
    size_t position = 0, used = 0;
    while ((entry = map_next(map, &position))) {
        const struct string *part = entry->value.as.string;
        if (used) {
            memcpy(joined->text + used, between->text, between->length);
            used += between->length;
        }
        memcpy(joined->text + used, part->text, part->length);
        used += part->length;
    }
    return string_done(joined);
}

/* ---- Maps ----------------------------------------------------------------------------------- */

static struct value builtin_len(const struct arguments *a)
{
    return number_value((double)(a->values[0].type == TYPE_STRING
                                     ? a->values[0].as.string->length
                                     : argument(a, 0, TYPE_MAP).as.map->n_live));
}

/* push(map, value): a map whose keys are 0, 1, 2 ... is a list. */
static struct value builtin_push(const struct arguments *a)
{
    struct map *map = argument(a, 0, TYPE_MAP).as.map;
    map_set(map, number_value((double)map->n_live), keep(a->values[1]));
    return nil_value();
}

/* ---- Errors --------------------------------------------------------------------------------- */

static struct value builtin_error(const struct arguments *a)
{
    fail("%s", to_string(a->values[0]).as.string->text);
}

struct attempt {
    struct value function, value;
};

static void run_attempt(void *attempt)
{
    struct attempt *it = attempt;
    it->value = call(it->function, &(struct arguments){0});
}

static struct value key(const char *text)
{
    return string_value(text, strlen(text));
}

/* try(function): {ok: true, value: ...} or {ok: false, error: "line 3: ..."}. */
static struct value builtin_try(const struct arguments *a)
{
    struct attempt attempt = {a->values[0], nil_value()};
    int is_ok = protect(run_attempt, &attempt);
    struct value map = new_map();
    map_set(map.as.map, key("ok"), bool_value(is_ok));
    map_set(map.as.map, key(is_ok ? "value" : "error"),
            is_ok ? attempt.value : string_value(error_text(), strlen(error_text())));
    return map;
}

/* ---- Memory --------------------------------------------------------------------------------- */

/* gc(): a full collection, as soon as the statement is done; see end_statement(). */
static struct value builtin_gc(const struct arguments *a)
{
    (void)a;
    wants_collection = 1;
    return nil_value();
}

/* memory(): the bytes in objects that have not been reclaimed. */
static struct value builtin_memory(const struct arguments *a)
{
    gc_stats stats = {.size = sizeof stats};
    (void)a;
    gc_get_stats(&stats);
    return number_value((double)stats.live_bytes);
}

/* weak(object): does not keep it alive. */
static struct value builtin_weak(const struct arguments *a)
{
    if (a->values[0].type < TYPE_STRING || a->values[0].type == TYPE_BUILTIN) {
        fail("there is no weak reference to a %s", type_name(a->values[0].type));
    }
    struct weak *weak = new_object(sizeof *weak, TYPE_WEAK);
    weak->reference = gc_weakref_new(a->values[0].as.object, NULL, NULL);
    if (!weak->reference) {
        fail("out of memory");
    }
    return object_value(weak);
}

/* get(weak): the object, or nil when it is gone. A file comes with a count that is the caller's. */
static struct value builtin_get(const struct arguments *a)
{
    void *object = gc_weakref_retain(argument(a, 0, TYPE_WEAK).as.weak->reference);
    return object ? object_value(object) : nil_value();
}

/* ---- Files: the counted type ---------------------------------------------------------------- */

/* The destructor: at the last drop(), or when the collector finds a file that was lost. */
static void close_file(void *object)
{
    struct file *file = object;
    if (!file->stream) {
        return;
    }
    int has_failed = ferror(file->stream);
    if (fclose(file->stream) != 0 || has_failed) {
        has_lost_text = 1;
    }
    n_open_files--;
}

/* open(path, mode): as C's fopen(); nil if it cannot be opened. */
static struct value builtin_open(const struct arguments *a)
{
    const char *path = argument(a, 0, TYPE_STRING).as.string->text;
    const char *mode = a->n > 1 ? argument(a, 1, TYPE_STRING).as.string->text : "r";
    if (strcmp(mode, "r") && strcmp(mode, "w") && strcmp(mode, "a")) {
        fail("the mode of a file is r, w or a");
    }
    struct file *file = gc_rc_malloc(sizeof *file, close_file);
    if (!file) {
        fail("out of memory");
    }
    file->object.type = TYPE_FILE;
    file->stream = fopen(path, mode);
    if (!file->stream) {
        gc_release(file);
        return nil_value();
    }
    n_open_files++;
    return object_value(file); /* its first count is the caller's */
}

static struct value builtin_write(const struct arguments *a)
{
    FILE *stream = argument(a, 0, TYPE_FILE).as.file->stream;
    const struct string *text = argument(a, 1, TYPE_STRING).as.string;
    if (fwrite(text->text, 1, text->length, stream) != text->length) {
        fail("the file cannot be written: %s", strerror(errno));
    }
    return nil_value();
}

/* read_line(file): without its end; nil at the end of the file. */
static struct value builtin_read_line(const struct arguments *a)
{
    FILE *stream = argument(a, 0, TYPE_FILE).as.file->stream;
    struct text line = {.length = 0};
    int c;
    while ((c = getc(stream)) != EOF && c != '\n') {
        append(&line, &(char){(char)c}, 1);
    }
    if (ferror(stream)) {
        fail("the file cannot be read: %s", strerror(errno));
    }
    return c == EOF && line.length == 0 ? nil_value() : string_value(line.bytes, line.length);
}

static struct value builtin_open_files(const struct arguments *a)
{
    (void)a;
    return number_value(n_open_files);
}

/* count(file): how many variables, entries and unfinished expressions refer to it, with that of
 * this call. */
static struct value builtin_count(const struct arguments *a)
{
    return number_value((double)gc_get_refcount(argument(a, 0, TYPE_FILE).as.file));
}

/* ---- The table ------------------------------------------------------------------------------ */

static struct builtin builtins[] = {
    {{TYPE_BUILTIN}, "print", 0, MAX_ARGUMENTS, builtin_print},
    {{TYPE_BUILTIN}, "str", 1, 1, builtin_str},
    {{TYPE_BUILTIN}, "type", 1, 1, builtin_type},
    {{TYPE_BUILTIN}, "join", 2, 2, builtin_join},
    {{TYPE_BUILTIN}, "len", 1, 1, builtin_len},
    {{TYPE_BUILTIN}, "push", 2, 2, builtin_push},
    {{TYPE_BUILTIN}, "error", 1, 1, builtin_error},
    {{TYPE_BUILTIN}, "try", 1, 1, builtin_try},
    {{TYPE_BUILTIN}, "gc", 0, 0, builtin_gc},
    {{TYPE_BUILTIN}, "memory", 0, 0, builtin_memory},
    {{TYPE_BUILTIN}, "weak", 1, 1, builtin_weak},
    {{TYPE_BUILTIN}, "get", 1, 1, builtin_get},
    {{TYPE_BUILTIN}, "open", 1, 2, builtin_open},
    {{TYPE_BUILTIN}, "write", 2, 2, builtin_write},
    {{TYPE_BUILTIN}, "read_line", 1, 1, builtin_read_line},
    {{TYPE_BUILTIN}, "open_files", 0, 0, builtin_open_files},
    {{TYPE_BUILTIN}, "count", 1, 1, builtin_count},
};

void define_builtins(void)
{
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++) {
        define_global(intern(builtins[i].name, strlen(builtins[i].name)),
                      object_value(&builtins[i]));
    }
}
