/* SPDX-License-Identifier: MIT */
/*
 * os/lines.c - see lines.h.
 *
 * The CHAIN of an address: the entries (DIEs) that contain it, from the function that really is there to the
 * innermost block or inlined function. It is found by descending the tree, not by libdw's dwarf_getscopes(),
 * which continues an inlined function with where it was written instead of where it was put.
 */
#include "os/lines.h"

#include "config.h"

#if HAVE_ELFUTILS_LIBDWFL_H

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "base/atomic.h"

#define EACH_FUNCTION(X)                                                                           \
    X(dwfl_begin) X(dwfl_end) X(dwfl_report_begin) X(dwfl_report_end) X(dwfl_report_offline)       \
    X(dwfl_module_getdwarf) X(dwfl_build_id_find_elf) X(dwfl_build_id_find_debuginfo)              \
    X(dwfl_offline_section_address) X(dwarf_get_units) X(dwarf_haspc) X(dwarf_child)               \
    X(dwarf_siblingof) X(dwarf_tag) X(dwarf_diename) X(dwarf_attr) X(dwarf_formudata)              \
    X(dwarf_decl_line) X(dwarf_attr_integrate) X(dwarf_getsrc_die) X(dwarf_lineno)                 \
    X(dwarf_linesrc) X(dwarf_getsrclines) X(dwarf_onesrcline) X(dwarf_lineaddr) X(dwarf_lineendsequence)

static struct functions {
#define DECLARE(name) __typeof__(name) *name;
    EACH_FUNCTION(DECLARE)
#undef DECLARE
} dw;

static Dwfl_Callbacks callbacks; /* must outlive each session */

enum { NOT_LOADED, WRITING, LOADED };
enum { SPINS_MAX = 1000000 }; /* in the child of a fork, the one that writes may not exist */
static volatile gl_word load_state;

static bool look_up(struct functions *found)
{
    void *library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    bool has_all = library != NULL;
#define LOOK_UP(name)                                                                      \
    found->name = has_all ? (__typeof__(found->name))dlsym(library, #name) : NULL;         \
    has_all = has_all && found->name;
    EACH_FUNCTION(LOOK_UP)
#undef LOOK_UP
    return has_all;
}

/* Several threads may look for them at once; one of them writes down what all have found. */
static bool load(void)
{
    struct functions found;
    if (gl_load_acquire(&load_state) == LOADED)
        return true;
    if (!look_up(&found))
        return false;
    if (gl_cas_full(&load_state, NOT_LOADED, WRITING)) {
        dw = found;
        callbacks.find_elf = dw.dwfl_build_id_find_elf;
        callbacks.find_debuginfo = dw.dwfl_build_id_find_debuginfo;
        callbacks.section_address = dw.dwfl_offline_section_address;
        gl_store_release(&load_state, LOADED);
    }
    for (int i = 0; i < SPINS_MAX && gl_load_acquire(&load_state) != LOADED; i++)
        gl_spin_hint();
    return gl_load_acquire(&load_state) == LOADED;
}

/* Separate debug information is looked for on this machine only. */
static Dwarf *read_file(Dwfl *session, const char *path)
{
    Dwarf_Addr bias;
    dw.dwfl_report_begin(session);
    Dwfl_Module *module = dw.dwfl_report_offline(session, path, path, -1);
    dw.dwfl_report_end(session, NULL, NULL);
    return module ? dw.dwfl_module_getdwarf(module, &bias) : NULL;
}

bool gl_lines_open(gl_lines *lines, const char *path)
{
    *lines = (gl_lines){NULL, NULL};
    if (!load())
        return false;
    Dwfl *session = dw.dwfl_begin(&callbacks);
    if (!session)
        return false;
    Dwarf *dwarf = read_file(session, path);
    if (!dwarf) {
        dw.dwfl_end(session);
        return false;
    }
    *lines = (gl_lines){session, dwarf};
    return true;
}

void gl_lines_close(gl_lines *lines)
{
    if (lines->session)
        dw.dwfl_end(lines->session);
    *lines = (gl_lines){NULL, NULL};
}

/* --- Chains ------------------------------------------------------------------------------------- */

enum { CHAIN_MAX = 64 };

typedef struct chain {
    Dwarf_Die unit; /* that has the table of lines */
    Dwarf_Die tree; /* that has the functions: the same, or its split half */
    Dwarf_Die die[CHAIN_MAX];
    int n;
} chain;

static bool find_unit(Dwarf *dwarf, Dwarf_Addr address, Dwarf_Die *unit, Dwarf_Die *tree)
{
    Dwarf_CU *cu = NULL;
    Dwarf_Die skeleton, split;
    Dwarf_Half version;
    uint8_t type;
    while (dw.dwarf_get_units(dwarf, cu, &cu, &version, &type, &skeleton, &split) == 0) {
        if (dw.dwarf_haspc(&skeleton, address) > 0) {
            *unit = skeleton;
            *tree = type == DW_UT_skeleton && split.addr ? split : skeleton;
            return true;
        }
    }
    return false;
}

static bool is_inlined(Dwarf_Die *die)
{
    return dw.dwarf_tag(die) == DW_TAG_inlined_subroutine;
}

static bool is_function(Dwarf_Die *die)
{
    return is_inlined(die) || dw.dwarf_tag(die) == DW_TAG_subprogram;
}

/* Such entries have code inside, but say no addresses. */
static bool has_no_address(Dwarf_Die *die)
{
    int tag = dw.dwarf_tag(die);
    return tag == DW_TAG_namespace || tag == DW_TAG_class_type || tag == DW_TAG_structure_type;
}

static bool has_address(Dwarf_Die *die, Dwarf_Addr address)
{
    int tag = dw.dwarf_tag(die);
    bool is_block = tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
                    tag == DW_TAG_catch_block;
    return (is_block || is_function(die)) && dw.dwarf_haspc(die, address) > 0;
}

/* Adds what is below `parent` to the chain. True: something was found. */
static bool descend(chain *c, Dwarf_Die *parent, Dwarf_Addr address, int depth)
{
    Dwarf_Die die;
    if (depth == CHAIN_MAX || c->n == CHAIN_MAX || dw.dwarf_child(parent, &die) != 0)
        return false;
    do {
        if (has_address(&die, address)) {
            c->die[c->n++] = die;
            descend(c, &die, address, depth + 1);
            return true;
        }
        if (has_no_address(&die) && descend(c, &die, address, depth + 1))
            return true;
    } while (dw.dwarf_siblingof(&die, &die) == 0);
    return false;
}

static bool find_chain(const gl_lines *lines, Dwarf_Addr address, chain *c)
{
    c->n = 0;
    return find_unit(lines->dwarf, address, &c->unit, &c->tree) && descend(c, &c->tree, address, 0);
}

/* C++ gives an instance of a template its arguments, and __func__ does not. */
static bool is_called(Dwarf_Die *die, const char *name)
{
    const char *its = dw.dwarf_diename(die);
    size_t n = strlen(name);
    return its && strncmp(its, name, n) == 0 && (its[n] == '\0' || its[n] == '<');
}

/* The innermost function of the name, or else the outermost one; its place in the chain. */
static int find_function(chain *c, const char *name)
{
    for (int i = c->n - 1; i >= 0; i--) {
        if (is_function(&c->die[i]) && is_called(&c->die[i], name))
            return i;
    }
    return 0;
}

/* --- Lines -------------------------------------------------------------------------------------- */

/* A number that stands in the entry itself; 0: there is none. */
static unsigned number_in(Dwarf_Die *die, unsigned attribute_name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number = 0;
    if (dw.dwarf_attr(die, attribute_name, &attribute))
        dw.dwarf_formudata(&attribute, &number);
    return (unsigned)number;
}

/* The number of the file in which the function is declared, also if the entry refers to another for that.
 * Names are taken from the table of lines: dwarf_decl_file() of elfutils 0.188 aborts where the debug
 * information is split. */
static unsigned file_of(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number = 0;
    if (dw.dwarf_attr_integrate(die, DW_AT_decl_file, &attribute))
        dw.dwarf_formudata(&attribute, &number);
    return (unsigned)number;
}

/* The first line behind `line` where another function of the file begins. Those inside functions do not end
 * the function, and are not looked at; instances of them outside refer to their lines, but do not have them. */
static unsigned next_function(Dwarf_Die *parent, unsigned file, unsigned line, int depth)
{
    Dwarf_Die die;
    unsigned next = UINT_MAX;
    if (depth == CHAIN_MAX || dw.dwarf_child(parent, &die) != 0)
        return next;
    do {
        unsigned its = UINT_MAX;
        if (has_no_address(&die))
            its = next_function(&die, file, line, depth + 1);
        else if (dw.dwarf_tag(&die) == DW_TAG_subprogram && file_of(&die) == file)
            its = number_in(&die, DW_AT_decl_line);
        if (its > line && its < next)
            next = its;
    } while (dw.dwarf_siblingof(&die, &die) == 0);
    return next;
}

static unsigned line_at(Dwarf_Die *unit, Dwarf_Addr address, const char **file)
{
    int number = 0;
    Dwarf_Line *line = dw.dwarf_getsrc_die(unit, address);
    *file = line ? dw.dwarf_linesrc(line, NULL, NULL) : NULL;
    return line && dw.dwarf_lineno(line, &number) == 0 && number > 0 ? (unsigned)number : 0;
}

bool gl_lines_find(const gl_lines *lines, uintptr_t address, const char *name, gl_line_place *place)
{
    chain c;
    if (!lines->dwarf || !find_chain(lines, address, &c))
        return false;
    int at = find_function(&c, name), first_line = 0;
    unsigned own_line = line_at(&c.unit, address, &place->file);
    place->line = 0;
    for (int i = at + 1; i < c.n && place->line == 0; i++) {
        if (is_inlined(&c.die[i]))
            place->line = number_in(&c.die[i], DW_AT_call_line);
    }
    if (place->line == 0)
        place->line = own_line;
    dw.dwarf_decl_line(&c.die[at], &first_line);
    place->first_line = first_line > 0 ? (unsigned)first_line : 0;
    place->end_line = next_function(&c.tree, file_of(&c.die[at]), place->first_line, 0);
    return true;
}

/* Whether the address belongs to something that was inlined into the function. */
static bool is_in_inlined(Dwarf_Die *function, Dwarf_Addr address)
{
    chain c = {.n = 0};
    descend(&c, function, address, 0);
    for (int i = 0; i < c.n; i++) {
        if (is_inlined(&c.die[i]))
            return true;
    }
    return false;
}

static bool is_of(Dwarf_Line *line, Dwarf_Die *function, const char *file)
{
    Dwarf_Addr address;
    bool is_end = true;
    const char *source = dw.dwarf_linesrc(line, NULL, NULL);
    return source && strcmp(source, file) == 0 && dw.dwarf_lineendsequence(line, &is_end) == 0 &&
           !is_end && dw.dwarf_lineaddr(line, &address) == 0 &&
           dw.dwarf_haspc(function, address) > 0 && !is_in_inlined(function, address);
}

void gl_lines_each(const gl_lines *lines, uintptr_t address, const char *name,
                   void (*fn)(unsigned line, void *arg), void *arg)
{
    chain c;
    Dwarf_Lines *table;
    gl_line_place place;
    size_t n;
    if (!gl_lines_find(lines, address, name, &place) || !place.file ||
        !find_chain(lines, address, &c) || dw.dwarf_getsrclines(&c.unit, &table, &n) != 0)
        return;
    Dwarf_Die *function = &c.die[find_function(&c, name)];
    for (size_t i = 0; i < n; i++) {
        int number = 0;
        Dwarf_Line *line = dw.dwarf_onesrcline(table, i);
        if (dw.dwarf_lineno(line, &number) == 0 && number > 0 &&
            (unsigned)number >= place.first_line && (unsigned)number < place.end_line &&
            is_of(line, function, place.file))
            fn((unsigned)number, arg);
    }
}

#else /* without libdw's headers */

bool gl_lines_open(gl_lines *lines, const char *path)
{
    (void)path;
    *lines = (gl_lines){0, 0};
    return false;
}

void gl_lines_close(gl_lines *lines)
{
    (void)lines;
}

bool gl_lines_find(const gl_lines *lines, uintptr_t address, const char *name, gl_line_place *place)
{
    (void)lines;
    (void)address;
    (void)name;
    (void)place;
    return false;
}

void gl_lines_each(const gl_lines *lines, uintptr_t address, const char *name,
                   void (*fn)(unsigned line, void *arg), void *arg)
{
    (void)lines;
    (void)address;
    (void)name;
    (void)fn;
    (void)arg;
}

#endif
