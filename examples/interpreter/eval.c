/* SPDX-License-Identifier: MIT */
/*
 * eval.c - runs the syntax tree.
 *
 * evaluate() returns an owned value (see finch.h); what it does with parts of an expression it
 * drops. execute() says how a statement ended. Any call may fail(), which leaves by longjmp() over
 * all of it: nothing here needs to be undone then, for the collector finds what became unreachable,
 * counted or not.
 */
#include "finch.h"

#include <math.h>
#include <string.h>

enum ending { ENDING_NORMAL, ENDING_BREAK, ENDING_RETURN };

struct variable {
    struct variable *next;
    const struct string *name;
    struct value value;
};

/* The variables of a block that is being run, or that a closure has captured. */
struct scope {
    struct scope *outer;
    struct variable *first;
    int is_captured;
};

static struct scope globals;
static struct value result; /* of a return, on its way to the call */

static struct value evaluate(const struct node *node, struct scope *scope);
static enum ending execute(const struct node *node, struct scope *scope);

/* ---- Scopes --------------------------------------------------------------------------------- */

static struct scope *open_scope(struct scope *outer)
{
    struct scope *scope = scanned_memory(sizeof *scope);
    scope->outer = outer;
    return scope;
}

/* A captured scope lives as long as a closure leads to it: only the collector knows how long that
 * is. One that was not captured is gone now, and what its variables counted, too. */
static void close_scope(struct scope *scope)
{
    if (scope->is_captured) {
        return;
    }
    for (struct variable *variable = scope->first, *next; variable; variable = next) {
        next = variable->next;
        drop(variable->value);
        gc_free(variable);
    }
    gc_free(scope);
}

/* Names are interned: equal ones are one string. */
static struct variable *find_in(const struct scope *scope, const struct string *name)
{
    struct variable *variable = scope->first;
    while (variable && variable->name != name) {
        variable = variable->next;
    }
    return variable;
}

/* Takes the value over. The old one is dropped last: a file that closes then is not in the slot any
 * more. */
static void set_slot(struct value *slot, struct value value)
{
    struct value old = *slot;
    *slot = value;
    drop(old);
}

static void declare(struct scope *scope, const struct string *name, struct value value)
{
    struct variable *variable = find_in(scope, name);
    if (!variable) {
        variable = scanned_memory(sizeof *variable);
        variable->name = name;
        variable->next = scope->first;
        scope->first = variable;
    }
    set_slot(&variable->value, value);
}

void define_global(struct string *name, struct value value)
{
    declare(&globals, name, value);
}

static struct variable *find(const struct node *node, const struct scope *scope)
{
    struct variable *variable = NULL;
    current_line = node->line;
    for (; scope && !variable; scope = scope->outer) {
        variable = find_in(scope, node->name);
    }
    if (!variable) {
        fail("unknown name '%s'", node->name->text);
    }
    return variable;
}

static struct value make_closure(const struct node *node, struct scope *scope)
{
    struct closure *closure = new_object(sizeof *closure, TYPE_CLOSURE);
    closure->function = node;
    closure->scope = scope;
    for (struct scope *s = scope; s && !s->is_captured; s = s->outer) {
        s->is_captured = 1;
    }
    return object_value(closure);
}

/* ---- Operators ------------------------------------------------------------------------------ */

_Noreturn static void wrong_operands(const char *operation, struct value a, struct value b)
{
    fail("cannot %s %s and %s", operation, type_name(a.type), type_name(b.type));
}

static struct value add_strings(const struct string *a, const struct string *b)
{
    struct string *sum = new_string(a->length + b->length);
    memcpy(sum->text, a->text, a->length);
    memcpy(sum->text + a->length, b->text, b->length);
    return string_done(sum);
}

/* -1, 0 or 1; numbers that are not ordered (NaN) give 2. */
static int compare(struct value a, struct value b)
{
    if (a.type == TYPE_NUMBER && b.type == TYPE_NUMBER) {
        double x = a.as.number, y = b.as.number;
        return x < y ? -1 : x > y ? 1 : x >= y ? 0 : 2;
    }
    if (a.type != TYPE_STRING || b.type != TYPE_STRING) {
        wrong_operands("compare", a, b);
    }
    int order = strcmp(a.as.string->text, b.as.string->text);
    return (order > 0) - (order < 0);
}

static struct value arithmetic(int op, struct value a, struct value b)
{
    if (op == '+' && a.type == TYPE_STRING && b.type == TYPE_STRING) {
        return add_strings(a.as.string, b.as.string);
    }
    if (a.type != TYPE_NUMBER || b.type != TYPE_NUMBER) {
        wrong_operands(op == '+' ? "add" : "calculate with", a, b);
    }
    double x = a.as.number, y = b.as.number;
    switch (op) {
    case '+':
        return number_value(x + y);
    case '-':
        return number_value(x - y);
    case '*':
        return number_value(x * y);
    case '/':
        return number_value(x / y);
    default:
        return number_value(fmod(x, y));
    }
}

static struct value binary(int op, struct value a, struct value b)
{
    if (op == TOKEN_EQUAL || op == TOKEN_DIFFERENT) {
        return bool_value(is_equal(a, b) == (op == TOKEN_EQUAL));
    }
    if (op == '<' || op == TOKEN_AT_MOST) {
        return bool_value(compare(a, b) == -1 || (op != '<' && compare(a, b) == 0));
    }
    if (op == '>' || op == TOKEN_AT_LEAST) {
        return bool_value(compare(a, b) == 1 || (op != '>' && compare(a, b) == 0));
    }
    return arithmetic(op, a, b);
}

static struct value evaluate_binary(const struct node *node, struct scope *scope)
{
    struct value a = evaluate(node->first, scope);
    struct value b = evaluate(node->second, scope);
    current_line = node->line;
    struct value value = binary(node->op, a, b);
    drop(a);
    drop(b);
    return value;
}

static struct value evaluate_unary(const struct node *node, struct scope *scope)
{
    struct value a = evaluate(node->first, scope);
    current_line = node->line;
    if (node->op == TOKEN_NOT) {
        struct value value = bool_value(!is_true(a));
        drop(a);
        return value;
    }
    if (a.type != TYPE_NUMBER) {
        fail("cannot negate %s", type_name(a.type));
    }
    return number_value(-a.as.number);
}

/* `and` and `or` give one of their operands, and evaluate the second only if the first does not
 * decide. */
static struct value evaluate_choice(const struct node *node, struct scope *scope)
{
    struct value a = evaluate(node->first, scope);
    if (is_true(a) == (node->op == TOKEN_OR)) {
        return a;
    }
    drop(a);
    return evaluate(node->second, scope);
}

/* ---- Maps ----------------------------------------------------------------------------------- */

static struct value evaluate_map(const struct node *node, struct scope *scope)
{
    struct value map = new_map();
    for (int i = 0; i < node->n_list; i += 2) {
        struct value key = evaluate(node->list[i], scope);
        struct value value = evaluate(node->list[i + 1], scope);
        current_line = node->line;
        map_set(map.as.map, key, value);
    }
    return map;
}

static struct value evaluate_index(const struct node *node, struct scope *scope)
{
    struct value map = evaluate(node->first, scope);
    struct value key = evaluate(node->second, scope);
    current_line = node->line;
    if (map.type != TYPE_MAP) {
        fail("%s has no entries", type_name(map.type));
    }
    struct value value = map_get(map.as.map, key);
    drop(key);
    return value;
}

/* ---- Calls ---------------------------------------------------------------------------------- */

/* A collection that the program wants comes between two statements. In the middle of an expression
 * there would be C frames on the stack with places that hold values of the expression before, and
 * the collector, which cannot know that they are not used any more, would keep these alive. */
static void end_statement(void)
{
    if (wants_collection) {
        wants_collection = 0;
        gc_collect();
    }
}

static enum ending execute_list(const struct node *block, struct scope *scope)
{
    enum ending ending = ENDING_NORMAL;
    for (int i = 0; i < block->n_list && ending == ENDING_NORMAL; i++) {
        ending = execute(block->list[i], scope);
        end_statement();
    }
    return ending;
}

static struct value call_closure(const struct closure *closure, const struct arguments *arguments)
{
    const struct node *function = closure->function;
    if (arguments->n != function->n_list) {
        fail("%s takes %d arguments, not %d",
             function->name ? function->name->text : "the function", function->n_list,
             arguments->n);
    }
    struct scope *scope = open_scope(closure->scope);
    for (int i = 0; i < arguments->n; i++) {
        declare(scope, function->list[i]->name, keep(arguments->values[i]));
    }
    struct value value = nil_value();
    if (execute_list(function->first, scope) == ENDING_RETURN) {
        value = result;
        result = nil_value();
    }
    close_scope(scope);
    return value;
}

struct value call(struct value function, const struct arguments *arguments)
{
    check_depth();
    if (function.type == TYPE_CLOSURE) {
        return call_closure(function.as.closure, arguments);
    }
    if (function.type != TYPE_BUILTIN) {
        fail("%s cannot be called", type_name(function.type));
    }
    const struct builtin *builtin = function.as.builtin;
    if (arguments->n < builtin->min_arguments || arguments->n > builtin->max_arguments) {
        fail("%s does not take %d arguments", builtin->name, arguments->n);
    }
    return builtin->call(arguments);
}

static struct value evaluate_call(const struct node *node, struct scope *scope)
{
    /* Cleared, so that nothing that an earlier call has left here on the stack seems to
     * be in use. */
    struct arguments arguments = {.n = node->n_list};
    struct value function = evaluate(node->first, scope);
    current_line = node->line;
    if (arguments.n > MAX_ARGUMENTS) {
        fail("a call has more than %d arguments", MAX_ARGUMENTS);
    }
    for (int i = 0; i < arguments.n; i++) {
        arguments.values[i] = evaluate(node->list[i], scope);
    }
    current_line = node->line;
    struct value value = call(function, &arguments);
    for (int i = 0; i < arguments.n; i++) {
        drop(arguments.values[i]);
    }
    return value;
}

static struct value evaluate(const struct node *node, struct scope *scope)
{
    check_depth();
    switch (node->kind) {
    case NODE_CONSTANT:
        return node->constant;
    case NODE_NAME:
        return keep(find(node, scope)->value);
    case NODE_UNARY:
        return evaluate_unary(node, scope);
    case NODE_BINARY:
        return evaluate_binary(node, scope);
    case NODE_CHOICE:
        return evaluate_choice(node, scope);
    case NODE_CALL:
        return evaluate_call(node, scope);
    case NODE_INDEX:
        return evaluate_index(node, scope);
    case NODE_MAP:
        return evaluate_map(node, scope);
    case NODE_FUNCTION:
        return make_closure(node, scope);
    default:
        fail("this is no expression");
    }
}

/* ---- Statements ----------------------------------------------------------------------------- */

static void execute_set(const struct node *node, struct scope *scope)
{
    const struct node *left = node->first;
    struct value value = evaluate(node->second, scope);
    if (left->kind == NODE_NAME) {
        set_slot(&find(left, scope)->value, value);
        return;
    }
    struct value map = evaluate(left->first, scope);
    struct value key = evaluate(left->second, scope);
    current_line = node->line;
    if (map.type != TYPE_MAP) {
        fail("%s has no entries", type_name(map.type));
    }
    map_set(map.as.map, key, value);
}

static enum ending execute_block(const struct node *node, struct scope *outer)
{
    struct scope *scope = open_scope(outer);
    enum ending ending = execute_list(node, scope);
    close_scope(scope);
    return ending;
}

static int condition(const struct node *node, struct scope *scope)
{
    struct value value = evaluate(node, scope);
    int holds = is_true(value);
    drop(value);
    return holds;
}

static enum ending execute_while(const struct node *node, struct scope *scope)
{
    enum ending ending = ENDING_NORMAL;
    while (ending == ENDING_NORMAL && condition(node->first, scope)) {
        ending = execute_block(node->second, scope);
    }
    return ending == ENDING_RETURN ? ending : ENDING_NORMAL;
}

/* Over the keys that the map has at the beginning; the values may change meanwhile. */
static enum ending execute_for(const struct node *node, struct scope *outer)
{
    struct value map = evaluate(node->first, outer);
    enum ending ending = ENDING_NORMAL;
    size_t position = 0, n_keys = 0;
    current_line = node->line;
    if (map.type != TYPE_MAP) {
        fail("for goes over a map, not over a %s", type_name(map.type));
    }
    struct value *keys = scanned_memory((map.as.map->n_live + 1) * sizeof *keys);
    for (const struct entry *entry; (entry = map_next(map.as.map, &position));) {
        keys[n_keys++] = entry->key;
    }
    for (size_t i = 0; i < n_keys && ending == ENDING_NORMAL; i++) {
        struct scope *scope = open_scope(outer);
        declare(scope, node->name, keys[i]);
        ending = execute_list(node->second, scope);
        close_scope(scope);
    }
    return ending == ENDING_RETURN ? ending : ENDING_NORMAL;
}

static enum ending execute(const struct node *node, struct scope *scope)
{
    check_depth();
    switch (node->kind) {
    case NODE_LET:
        declare(scope, node->first->name, evaluate(node->second, scope));
        return ENDING_NORMAL;
    case NODE_SET:
        execute_set(node, scope);
        return ENDING_NORMAL;
    case NODE_BLOCK:
        return execute_block(node, scope);
    case NODE_IF:
        if (condition(node->first, scope)) {
            return execute_block(node->second, scope);
        }
        return node->third ? execute(node->third, scope) : ENDING_NORMAL;
    case NODE_WHILE:
        return execute_while(node, scope);
    case NODE_FOR:
        return execute_for(node, scope);
    case NODE_BREAK:
        return ENDING_BREAK;
    case NODE_RETURN:
        result = node->first ? evaluate(node->first, scope) : nil_value();
        return ENDING_RETURN;
    default:
        drop(evaluate(node, scope));
        return ENDING_NORMAL;
    }
}

struct value run_program(const struct node *program)
{
    struct value last = nil_value();
    for (int i = 0; i < program->n_list; i++) {
        const struct node *statement = program->list[i];
        drop(last);
        last = nil_value();
        if (statement->kind <= NODE_FUNCTION) {
            last = evaluate(statement, &globals);
        } else {
            execute(statement, &globals);
        }
        end_statement();
    }
    return last;
}
