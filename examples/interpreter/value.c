/* SPDX-License-Identifier: MIT */
/*
 * value.c - strings, equality, the text of values; errors and the depth of the C stack.
 */
#include "finch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

int current_line;
int is_incomplete;

static char message[512];
static jmp_buf *handler; /* of the innermost protect() */
static uintptr_t stack_base;
static uintptr_t stack_room;

/* ---- Errors --------------------------------------------------------------------------------- */

void fail(const char *format, ...)
{
    va_list arguments;
    int n = current_line ? snprintf(message, sizeof message, "line %d: ", current_line) : 0;
    va_start(arguments, format);
    vsnprintf(message + n, sizeof message - (size_t)n, format, arguments);
    va_end(arguments);
    longjmp(*handler, 1);
}

/* Values that were on the C stack between here and fail() are simply forgotten. If there were
 * counts among them, the collector finds their objects. */
int protect(void (*run)(void *argument), void *argument)
{
    jmp_buf *const outer = handler;
    const int line = current_line;
    jmp_buf here;
    int has_failed = setjmp(here);
    if (!has_failed) {
        handler = &here;
        run(argument);
    }
    handler = outer;
    current_line = line;
    return !has_failed;
}

const char *error_text(void)
{
    return message;
}

/* The tree is walked by recursion in C. A quarter of the stack stays for libraries and handlers. */
void set_stack_base(void)
{
    struct rlimit limit;
    uintptr_t bytes = 8 << 20;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < bytes) {
        bytes = (uintptr_t)limit.rlim_cur;
    }
    stack_base = (uintptr_t)__builtin_frame_address(0);
    stack_room = bytes / 4 * 3;
}

void check_depth(void)
{
    if (stack_base - (uintptr_t)__builtin_frame_address(0) > stack_room) {
        fail("too deep: the stack is used up");
    }
}

/* ---- Memory --------------------------------------------------------------------------------- */

void *scanned_memory(size_t size)
{
    void *memory = gc_malloc(size);
    if (!memory) {
        fail("out of memory");
    }
    return memory;
}

void *plain_memory(size_t size)
{
    void *memory = gc_malloc_atomic(size);
    if (!memory) {
        fail("out of memory");
    }
    return memory;
}

void *new_object(size_t size, enum type type)
{
    struct object *object = scanned_memory(size);
    object->type = type;
    return object;
}

/* ---- Strings -------------------------------------------------------------------------------- */

struct string *new_string(size_t length)
{
    struct string *string = plain_memory(sizeof *string + length + 1);
    string->object.type = TYPE_STRING;
    string->length = length;
    string->text[length] = '\0';
    return string;
}

struct value string_done(struct string *string)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < string->length; i++) {
        hash = (hash ^ (unsigned char)string->text[i]) * 16777619u;
    }
    string->hash = hash;
    return object_value(string);
}

struct value string_value(const char *text, size_t length)
{
    struct string *string = new_string(length);
    if (length > 0) { /* the text of nothing may be NULL */
        memcpy(string->text, text, length);
    }
    return string_done(string);
}

/* The table refers to the strings weakly; its keys are copies, for they are held as long as their
 * entry is. */
struct string *intern(const char *text, size_t length)
{
    static gc_weakmap *names;
    if (!names && !(names = gc_weakmap_new(GC_WEAK_VALUES, GC_HASH_STRINGS))) {
        fail("out of memory");
    }
    struct string *name = string_value(text, length).as.string;
    struct string *known = gc_weakmap_get(names, name->text);
    if (known) {
        return known;
    }
    char *key = gc_strdup(name->text);
    if (!key || gc_weakmap_set(names, key, name) != 0) {
        fail("out of memory");
    }
    return name;
}

/* ---- Questions ------------------------------------------------------------------------------ */

int is_true(struct value value)
{
    return value.type != TYPE_NIL && (value.type != TYPE_BOOL || value.as.is_true);
}

int is_equal(struct value a, struct value b)
{
    if (a.type != b.type) {
        return 0;
    }
    switch (a.type) {
    case TYPE_NIL:
        return 1;
    case TYPE_BOOL:
        return a.as.is_true == b.as.is_true;
    case TYPE_NUMBER:
        return a.as.number <= b.as.number && a.as.number >= b.as.number;
    case TYPE_STRING:
        return a.as.string == b.as.string ||
               (a.as.string->hash == b.as.string->hash &&
                a.as.string->length == b.as.string->length &&
                memcmp(a.as.string->text, b.as.string->text, a.as.string->length) == 0);
    default:
        return a.as.object == b.as.object;
    }
}

const char *type_name(enum type type)
{
    static const char *const names[] = {
        [TYPE_NIL] = "nil",          [TYPE_BOOL] = "bool", [TYPE_NUMBER] = "number",
        [TYPE_STRING] = "string",    [TYPE_MAP] = "map",   [TYPE_CLOSURE] = "function",
        [TYPE_BUILTIN] = "function", [TYPE_WEAK] = "weak", [TYPE_FILE] = "file",
    };
    return names[type];
}

/* ---- Text ----------------------------------------------------------------------------------- */

/* Doubled when it is full; the old memory is left to the collector. */
void append(struct text *text, const char *bytes, size_t length)
{
    if (text->length + length > text->room) {
        size_t room = 2 * (text->length + length) + 32;
        char *larger = plain_memory(room);
        if (text->length) {
            memcpy(larger, text->bytes, text->length);
        }
        text->bytes = larger;
        text->room = room;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

static void append_value(struct text *text, struct value value, int depth);

static void append_map(struct text *text, const struct map *map, int depth)
{
    size_t position = 0;
    const char *between = "";
    const struct entry *entry;
    if (depth > 8) {
        append(text, "{...}", 5); /* deep, or a map that contains itself */
        return;
    }
    append(text, "{", 1);
    while ((entry = map_next(map, &position))) {
        append(text, between, strlen(between));
        append_value(text, entry->key, depth + 1);
        append(text, ": ", 2);
        append_value(text, entry->value, depth + 1);
        between = ", ";
    }
    append(text, "}", 1);
}

static void append_value(struct text *text, struct value value, int depth)
{
    char short_text[64];
    int n = 0;
    switch (value.type) {
    case TYPE_STRING:
        append(text, "\"", depth > 0);
        append(text, value.as.string->text, value.as.string->length);
        append(text, "\"", depth > 0);
        return;
    case TYPE_MAP:
        append_map(text, value.as.map, depth);
        return;
    case TYPE_NIL:
        n = snprintf(short_text, sizeof short_text, "nil");
        break;
    case TYPE_BOOL:
        n = snprintf(short_text, sizeof short_text, value.as.is_true ? "true" : "false");
        break;
    case TYPE_NUMBER:
        n = snprintf(short_text, sizeof short_text, "%.14g", value.as.number);
        break;
    default:
        n = snprintf(short_text, sizeof short_text, "<%s>", type_name(value.type));
    }
    append(text, short_text, (size_t)n);
}

struct value to_string(struct value value)
{
    struct text text = {.length = 0};
    if (value.type == TYPE_STRING) {
        return value;
    }
    append_value(&text, value, 0);
    return string_value(text.bytes, text.length);
}
