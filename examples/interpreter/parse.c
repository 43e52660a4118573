/* SPDX-License-Identifier: MIT */
/*
 * parse.c - from text to syntax tree, by recursive descent.
 *
 * The tree is from gc_malloc(): an error in the middle leaves nothing to clean up.
 */
#include "finch.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *text;          /* behind the present token */
    int line;                  /* there */
    int token;                 /* the present one */
    int token_line, last_line; /* of it, and of the one before */
    int is_first_on_line;
    struct value value; /* of a number, string or name */
    int n_loops;        /* around the present place, in this function */
    int n_functions;
} at;

static struct node *parse_expression(void);
static struct node *parse_statement(void);
static struct node *parse_function(struct string *name);

/* ---- Tokens --------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    int token;
} words[] = {
    {"let", TOKEN_LET},     {"fn", TOKEN_FN},     {"if", TOKEN_IF},       {"else", TOKEN_ELSE},
    {"while", TOKEN_WHILE}, {"for", TOKEN_FOR},   {"in", TOKEN_IN},       {"return", TOKEN_RETURN},
    {"break", TOKEN_BREAK}, {"true", TOKEN_TRUE}, {"false", TOKEN_FALSE}, {"nil", TOKEN_NIL},
    {"and", TOKEN_AND},     {"or", TOKEN_OR},     {"not", TOKEN_NOT},
};

static void skip_space(void)
{
    for (;;) {
        at.text += strspn(at.text, " \t\r");
        if (*at.text == '#') {
            at.text += strcspn(at.text, "\n");
        } else if (*at.text == '\n') {
            at.text++;
            at.line++;
            at.is_first_on_line = 1;
        } else {
            return;
        }
    }
}

static void read_string(void)
{
    struct text text = {.length = 0};
    for (at.text++; *at.text != '"'; at.text++) {
        char c = *at.text;
        if (c == '\\' && at.text[1]) {
            c = *++at.text;
            c = (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c);
        }
        if (*at.text == '\n' || *at.text == '\0') {
            fail("a string has no end");
        }
        append(&text, &c, 1);
    }
    at.text++;
    at.value = string_value(text.bytes, text.length);
}

static void read_word(void)
{
    const char *start = at.text;
    while (isalnum((unsigned char)*at.text) || *at.text == '_') {
        at.text++;
    }
    size_t length = (size_t)(at.text - start);
    at.token = TOKEN_NAME;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].word) == length && memcmp(words[i].word, start, length) == 0) {
            at.token = words[i].token;
            return;
        }
    }
    at.value = object_value(intern(start, length));
}

static void read_number(void)
{
    char *end;
    double number = strtod(at.text, &end);
    if (isalnum((unsigned char)*end) || *end == '_' || !isfinite(number)) {
        fail("a number is malformed");
    }
    at.text = end;
    at.value = number_value(number);
}

static void read_operator(void)
{
    static const char pairs[] = "==!=<=>=";
    static const int tokens[] = {TOKEN_EQUAL, TOKEN_DIFFERENT, TOKEN_AT_MOST, TOKEN_AT_LEAST};
    for (int i = 0; i < 4; i++) {
        if (at.text[0] == pairs[2 * i] && at.text[1] == '=') {
            at.token = tokens[i];
            at.text += 2;
            return;
        }
    }
    if (!strchr("+-*/%<>=(){}[],:;.", *at.text)) {
        fail("the character '%c' has no meaning",
             isprint((unsigned char)*at.text) ? *at.text : '?');
    }
    at.token = (unsigned char)*at.text++;
}

static void advance(void)
{
    at.is_first_on_line = 0;
    skip_space();
    at.last_line = at.token_line;
    current_line = at.token_line = at.line;
    if (*at.text == '\0') {
        at.token = TOKEN_END;
    } else if (isdigit((unsigned char)*at.text)) {
        at.token = TOKEN_NUMBER;
        read_number();
    } else if (isalpha((unsigned char)*at.text) || *at.text == '_') {
        read_word();
    } else if (*at.text == '"') {
        at.token = TOKEN_STRING;
        read_string();
    } else {
        read_operator();
    }
}

static int accept(int token)
{
    if (at.token != token) {
        return 0;
    }
    advance();
    return 1;
}

_Noreturn static void unexpected(const char *wanted)
{
    if (at.token == TOKEN_END) {
        is_incomplete = 1;
        fail("the text ends where %s should be", wanted);
    }
    fail("%s should be here", wanted);
}

static void require(int token, const char *name)
{
    if (!accept(token)) {
        unexpected(name);
    }
}

static struct string *require_name(void)
{
    struct string *name = at.value.as.string;
    require(TOKEN_NAME, "a name");
    return name;
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

static struct node *new_node(enum kind kind, struct node *first, struct node *second)
{
    struct node *node = scanned_memory(sizeof *node);
    node->kind = kind;
    node->line = at.last_line;
    node->first = first;
    node->second = second;
    return node;
}

static struct node *name_node(struct string *name)
{
    struct node *node = new_node(NODE_NAME, NULL, NULL);
    node->name = name;
    return node;
}

/* Arrays double in size: there is room unless the number is a power of two (or 0). */
static void add_to_list(struct node *node, struct node *part)
{
    if ((node->n_list & (node->n_list - 1)) == 0) {
        size_t room = node->n_list ? 2 * (size_t)node->n_list : 1;
        struct node **list = scanned_memory(room * sizeof *list);
        for (int i = 0; i < node->n_list; i++) {
            list[i] = node->list[i];
        }
        node->list = list;
    }
    node->list[node->n_list++] = part;
}

/* ---- Expressions ---------------------------------------------------------------------------- */

static struct node *constant(struct value value)
{
    struct node *node = new_node(NODE_CONSTANT, NULL, NULL);
    node->constant = value;
    return node;
}

static struct node *parse_map(void)
{
    struct node *node = new_node(NODE_MAP, NULL, NULL);
    while (at.token != '}') {
        struct value value = at.value;
        if (accept('[')) {
            add_to_list(node, parse_expression());
            require(']', "]");
        } else if (accept(TOKEN_NAME) || accept(TOKEN_STRING) || accept(TOKEN_NUMBER)) {
            add_to_list(node, constant(value));
        } else {
            unexpected("a key or }");
        }
        require(':', ":");
        add_to_list(node, parse_expression());
        if (!accept(',')) {
            break;
        }
    }
    require('}', "}");
    return node;
}

static struct node *parse_primary(void)
{
    struct value value = at.value;
    check_depth();
    switch (at.token) {
    case TOKEN_NUMBER:
    case TOKEN_STRING:
        advance();
        return constant(value);
    case TOKEN_NAME:
        advance();
        return name_node(value.as.string);
    case TOKEN_TRUE:
    case TOKEN_FALSE:
        value = bool_value(at.token == TOKEN_TRUE);
        advance();
        return constant(value);
    case TOKEN_NIL:
        advance();
        return constant(nil_value());
    case TOKEN_FN:
        advance();
        return parse_function(NULL);
    default:
        break;
    }
    if (accept('{')) {
        return parse_map();
    }
    if (!accept('(')) {
        unexpected("an expression");
    }
    struct node *node = parse_expression();
    require(')', ")");
    return node;
}

/* What is on a line of its own is a statement of its own: f, newline, (x) is not a call. */
static struct node *parse_suffixes(void)
{
    struct node *node = parse_primary();
    while (!at.is_first_on_line || at.token == '.') {
        if (accept('(')) {
            node = new_node(NODE_CALL, node, NULL);
            while (at.token != ')') {
                add_to_list(node, parse_expression());
                if (!accept(',')) {
                    break;
                }
            }
            require(')', ")");
        } else if (accept('[')) {
            node = new_node(NODE_INDEX, node, parse_expression());
            require(']', "]");
        } else if (accept('.')) {
            struct string *name = require_name();
            node = new_node(NODE_INDEX, node, constant(object_value(name)));
        } else {
            break;
        }
    }
    return node;
}

static struct node *parse_unary(void)
{
    int op = at.token;
    check_depth();
    if (accept('-') || accept(TOKEN_NOT)) {
        struct node *node = new_node(NODE_UNARY, parse_unary(), NULL);
        node->op = op;
        return node;
    }
    return parse_suffixes();
}

/* How strongly a binary operator binds; 0: the token is none. */
static int strength_of(int token)
{
    static const int tokens[6][4] = {{TOKEN_OR},
                                     {TOKEN_AND},
                                     {TOKEN_EQUAL, TOKEN_DIFFERENT},
                                     {'<', '>', TOKEN_AT_MOST, TOKEN_AT_LEAST},
                                     {'+', '-'},
                                     {'*', '/', '%'}};
    for (int i = 0; i < 6 * 4; i++) {
        if (tokens[i / 4][i % 4] == token) {
            return i / 4 + 1;
        }
    }
    return 0;
}

static struct node *parse_binary(int at_least)
{
    struct node *left = parse_unary();
    for (;;) {
        int op = at.token, strength = strength_of(op), line = at.token_line;
        if (strength < at_least || strength == 0 || (at.is_first_on_line && op == '-')) {
            return left;
        }
        advance();
        struct node *right = parse_binary(strength + 1);
        left = new_node(strength <= 2 ? NODE_CHOICE : NODE_BINARY, left, right);
        left->op = op;
        left->line = line;
    }
}

static struct node *parse_expression(void)
{
    return parse_binary(1);
}

/* ---- Statements ----------------------------------------------------------------------------- */

static struct node *parse_statements(int end)
{
    struct node *block = new_node(NODE_BLOCK, NULL, NULL);
    while (at.token != end) {
        if (!accept(';')) {
            add_to_list(block, parse_statement());
        }
    }
    advance();
    return block;
}

static struct node *parse_block(void)
{
    require('{', "{");
    return parse_statements('}');
}

/* Behind `fn` and the name. */
static struct node *parse_function(struct string *name)
{
    struct node *function = new_node(NODE_FUNCTION, NULL, NULL);
    int n_outer_loops = at.n_loops;
    at.n_loops = 0;
    at.n_functions++;
    require('(', "(");
    while (at.token != ')') {
        add_to_list(function, name_node(require_name()));
        if (!accept(',')) {
            break;
        }
    }
    require(')', ")");
    function->first = parse_block();
    function->name = name;
    at.n_functions--;
    at.n_loops = n_outer_loops;
    return function;
}

static struct node *parse_if(void)
{
    struct node *node = new_node(NODE_IF, parse_expression(), NULL);
    check_depth();
    node->second = parse_block();
    if (accept(TOKEN_ELSE)) {
        node->third = accept(TOKEN_IF) ? parse_if() : parse_block();
    }
    return node;
}

static struct node *parse_loop(struct node *node)
{
    node->first = parse_expression();
    at.n_loops++;
    node->second = parse_block();
    at.n_loops--;
    return node;
}

static struct node *parse_for(void)
{
    struct node *node = name_node(require_name());
    node->kind = NODE_FOR;
    require(TOKEN_IN, "in");
    return parse_loop(node);
}

static struct node *parse_return(void)
{
    int has_value = at.token != '}' && at.token != ';' && !at.is_first_on_line;
    if (at.n_functions == 0) {
        fail("return outside of a function");
    }
    return new_node(NODE_RETURN, has_value ? parse_expression() : NULL, NULL);
}

static struct node *parse_let(void)
{
    struct node *name = name_node(require_name());
    require('=', "=");
    return new_node(NODE_LET, name, parse_expression());
}

/* Without `let`: an expression, or what an assignment sets. `fn name(...)` is let name
 * = fn (...). */
static struct node *parse_other(void)
{
    int is_function = accept(TOKEN_FN);
    if (is_function && at.token == TOKEN_NAME) {
        struct node *name = name_node(require_name());
        return new_node(NODE_LET, name, parse_function(name->name));
    }
    struct node *left = is_function ? parse_function(NULL) : parse_expression();
    if (!accept('=')) {
        return left;
    }
    if (left->kind != NODE_NAME && left->kind != NODE_INDEX) {
        fail("only a variable or an entry can be set");
    }
    struct node *node = new_node(NODE_SET, left, parse_expression());
    node->line = left->line;
    return node;
}

static struct node *parse_statement(void)
{
    check_depth();
    if (at.token == '{') {
        return parse_block();
    } else if (accept(TOKEN_LET)) {
        return parse_let();
    } else if (accept(TOKEN_IF)) {
        return parse_if();
    } else if (accept(TOKEN_WHILE)) {
        return parse_loop(new_node(NODE_WHILE, NULL, NULL));
    } else if (accept(TOKEN_FOR)) {
        return parse_for();
    } else if (accept(TOKEN_RETURN)) {
        return parse_return();
    } else if (at.token == TOKEN_BREAK) {
        if (at.n_loops == 0) {
            fail("break outside of a loop");
        }
        advance();
        return new_node(NODE_BREAK, NULL, NULL);
    }
    return parse_other();
}

struct node *parse(const char *text)
{
    memset(&at, 0, sizeof at);
    at.text = text;
    at.line = 1;
    is_incomplete = 0;
    advance();
    return parse_statements(TOKEN_END);
}
