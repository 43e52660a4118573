/* SPDX-License-Identifier: MIT */
/*
 * finch.h - Finch, a small language on Gleaner: its values, its syntax tree and its modules.
 *
 * Why a language author would choose Gleaner shows in what is not here: no list of roots, no
 * handles, no shadow stack, no write barrier, no "protect this value while I allocate". Values are
 * on the C stack and in C structs, and what can be reached from there lives.
 *
 * Strings come from gc_malloc_atomic(), and are never scanned; maps, closures, scopes and the
 * syntax tree come from gc_malloc(). Nobody frees them.
 *
 * Files are counted (gc_rc_malloc): one is closed at the moment when its last variable, map entry
 * or temporary value goes. The rule is on top of struct value. Where a count is lost, in a cycle or
 * by an error that leaves expressions unfinished, the collector finds the file and closes it.
 *
 * weak() of the language is gc_weakref. The names in programs are interned in a gc_weakmap: equal
 * names are one string, and those that no program uses any more go.
 *
 * A scope that no closure has captured is given back by gc_free() when its block ends: no need, but
 * the interpreter knows, and so it takes no collection to reuse it.
 *
 * libc's malloc() is used by stdio alone, for buffers of files, which hold text and no values: that
 * this memory is not scanned does no harm. A value must never be kept in memory from malloc().
 */
#ifndef FINCH_H
#define FINCH_H

#include <gleaner/gc.h>
#include <gleaner/refcount.h>
#include <gleaner/weakref.h>

#include <stdint.h>
#include <stdio.h>

/* ---- Values --------------------------------------------------------------------------------- */

/* clang-format off */
enum type {
    TYPE_NIL, TYPE_BOOL, TYPE_NUMBER, /* not objects */
    TYPE_STRING, TYPE_MAP, TYPE_CLOSURE, TYPE_BUILTIN, TYPE_WEAK, TYPE_FILE
};
/* clang-format on */

/*
 * A value is a plain pair of tag and word: the collector finds the pointer wherever a value is.
 * (Pointers with their tag in unused bits would be hidden from it.)
 *
 * Values that refer to files own one count. A function that returns a value hands its count to the
 * caller; one that takes a value borrows it, unless it says that it takes it over. keep() makes a
 * second owned value of one, drop() ends one. For all other types both do nothing.
 */
struct value {
    enum type type;
    union {
        struct object *object; /* first, so that a value without one is not given an old one */
        intptr_t is_true;
        double number;
        struct string *string;
        struct map *map;
        struct closure *closure;
        const struct builtin *builtin;
        struct weak *weak;
        struct file *file;
    } as;
};

/* What every object begins with, so that a bare pointer (of a weak reference) can become a value
 * again. */
struct object {
    enum type type;
};

struct string {
    struct object object;
    uint32_t hash;
    size_t length;
    char text[]; /* ends in a zero byte */
};

/* Entries in the order in which they came, and an index over them; see map.c. */
struct map {
    struct object object;
    struct entry *entries;
    uint32_t *index;
    size_t n_entries, n_live, room, index_size;
};

struct entry {
    struct value key, value; /* the value is nil where there is no entry any more */
};

struct closure {
    struct object object;
    const struct node *function;
    struct scope *scope;
};

enum { MAX_ARGUMENTS = 16 };

struct arguments {
    int n;
    struct value values[MAX_ARGUMENTS];
};

struct builtin {
    struct object object;
    const char *name;
    int min_arguments, max_arguments;
    struct value (*call)(const struct arguments *arguments);
};

struct weak {
    struct object object;
    gc_weakref *reference;
};

struct file {
    struct object object;
    FILE *stream;
};

static inline struct value nil_value(void)
{
    return (struct value){.type = TYPE_NIL};
}

static inline struct value bool_value(int is_true)
{
    return (struct value){.type = TYPE_BOOL, .as.is_true = is_true != 0};
}

static inline struct value number_value(double number)
{
    return (struct value){.type = TYPE_NUMBER, .as.number = number};
}

static inline struct value object_value(void *object)
{
    return (struct value){.type = ((struct object *)object)->type, .as.object = object};
}

static inline struct value keep(struct value value)
{
    if (value.type == TYPE_FILE) {
        gc_retain(value.as.file);
    }
    return value;
}

static inline void drop(struct value value)
{
    if (value.type == TYPE_FILE) {
        gc_release(value.as.file);
    }
}

/* ---- value.c and map.c ---------------------------------------------------------------------- */

/* gc_malloc() and gc_malloc_atomic(); an error of the language when there is no memory. */
void *scanned_memory(size_t size);
void *plain_memory(size_t size);
void *new_object(size_t size, enum type type); /* scanned */

/* A text that grows; starts as zeroes. */
struct text {
    char *bytes;
    size_t length, room;
};

void append(struct text *text, const char *bytes, size_t length);

/* A string of `length` bytes, to be filled by the caller, who then calls string_done(). */
struct string *new_string(size_t length);
struct value string_done(struct string *string);
struct value string_value(const char *text, size_t length);
struct value to_string(struct value value); /* what print() shows */

/* The one string with this text that serves as a name. */
struct string *intern(const char *text, size_t length);

int is_true(struct value value);
int is_equal(struct value a, struct value b);
const char *type_name(enum type type);

struct value new_map(void);
/* Returns nil for what is missing. */
struct value map_get(const struct map *map, struct value key);
/* Takes `value` over; nil removes the entry. */
void map_set(struct map *map, struct value key, struct value value);
/* The entry at or behind *position in order, which moves behind it; NULL at the end. */
const struct entry *map_next(const struct map *map, size_t *position);

/* ---- Errors --------------------------------------------------------------------------------- */

/* Ends what is being run with a message that names the present line; see protect(). */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Calls run(argument); 1 if it came to its end, 0 if it failed: then error_text() says how. */
int protect(void (*run)(void *argument), void *argument);
const char *error_text(void);

/* Fails if the C stack is nearly used up: called wherever something nests. */
void check_depth(void);
void set_stack_base(void);

extern int current_line;  /* of the source: where an error is reported */
extern int is_incomplete; /* the parser failed because the text ends too early */

/* ---- parse.c: text to syntax tree ----------------------------------------------------------- */

/* clang-format off */
enum kind {
    NODE_CONSTANT, NODE_NAME, NODE_UNARY, NODE_BINARY, NODE_CHOICE, NODE_CALL, NODE_INDEX, NODE_MAP,
    NODE_FUNCTION, /* up to here expressions */
    NODE_LET, NODE_SET, NODE_BLOCK, NODE_IF, NODE_WHILE, NODE_FOR, NODE_RETURN, NODE_BREAK
};
/* clang-format on */

/* One shape for all nodes: a small tree is easier to read than a fast one. */
struct node {
    enum kind kind;
    int line;
    int op;              /* the token */
    struct string *name; /* of a variable or function */
    struct value constant;
    struct node *first, *second, *third;
    struct node **list; /* statements, arguments, parameters, keys and values in turn */
    int n_list;
};

/* clang-format off */
enum token {
    TOKEN_END = 256, TOKEN_NUMBER, TOKEN_STRING, TOKEN_NAME, TOKEN_EQUAL, TOKEN_DIFFERENT,
    TOKEN_AT_MOST, TOKEN_AT_LEAST, TOKEN_LET, TOKEN_FN, TOKEN_IF, TOKEN_ELSE, TOKEN_WHILE,
    TOKEN_FOR, TOKEN_IN, TOKEN_RETURN, TOKEN_BREAK, TOKEN_TRUE, TOKEN_FALSE, TOKEN_NIL, TOKEN_AND,
    TOKEN_OR, TOKEN_NOT
};
/* clang-format on */

/* The whole text as a block. Fails with a syntax error. */
struct node *parse(const char *text);

/* ---- eval.c and builtins.c ------------------------------------------------------------------ */

/* Runs a program; the value of its last statement, if that is an expression. */
struct value run_program(const struct node *program);
/* Borrows the function and its arguments. */
struct value call(struct value function, const struct arguments *arguments);

/* Takes the value over. */
void define_global(struct string *name, struct value value);
void define_builtins(void);

extern int wants_collection; /* gc() was called */
extern int has_lost_text;    /* a file could not be written when it was closed */

#endif
