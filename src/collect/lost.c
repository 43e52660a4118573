/* SPDX-License-Identifier: MIT */
/* collect/lost.c - see lost.h for the rules. */
#include "collect/lost.h"

#include <string.h>

#include "base/bits.h"
#include "base/knobs.h"
#include "collect/linear.h"
#include "heap/arena.h"
#include "heap/hooks.h"
#include "heap/size_class.h"
#include "os/images.h"

enum {
    KINDS_MAX = 16,        /* of evidence that are remembered */
    LARGE = 0,             /* the class of large objects in the set of exempt classes */
    CLASSES_UNTIL_ALL = 4, /* exempt ones, until everything is */
    /* A collection counts for those condemned before only if the program has allocated so much since the
     * last that counted: with collections at every turn three of them are over in no time. */
    STEP_BYTES = 1 << 20,
    SEARCHES_MAX = 4,
    WORTH_SHARE = 16 /* of what is in use: for less than that no thorough search */
};

static struct {
    volatile gl_word exempt;     /* bit per size class */
    volatile gl_word n_evidence;
    volatile gl_word why_kept;   /* const char *; 0: lost memory is reclaimed */
    size_t counted_at;           /* allocated_bytes at the last collection that counted */
    uint64_t n_loads;            /* of libraries, seen so far */
} lost;

/* A kind of evidence. Whoever sets `bytes` from 0 has the entry, and sets `call`. */
static struct {
    volatile gl_word bytes;
    volatile gl_word call; /* const char *, static */
    volatile gl_word count;
} kinds[KINDS_MAX];

/* ---- Evidence ------------------------------------------------------------------------------- */

static uint32_t class_of(const gl_object *object)
{
    return object->is_large ? LARGE : gl_bin_class(gl_heap.blocks[object->block].bin);
}

void gl_collect_keep_lost(const char *why)
{
    (void)gl_cas_full(&lost.why_kept, 0, (uintptr_t)why);
}

static void exempt(uint32_t size_class)
{
    size_t old, new;
    do {
        old = gl_load_relaxed(&lost.exempt);
        new = old | (size_t)1 << size_class;
    } while (!gl_cas_full(&lost.exempt, old, new));
    if (gl_popcount64(new) >= CLASSES_UNTIL_ALL) {
        gl_collect_keep_lost("the program used memory of several sizes to which no pointer was found");
    }
}

/* Two threads may make two entries of one kind: no harm. */
static void remember(size_t bytes, const char *call)
{
    for (size_t i = 0; i < KINDS_MAX; i++) {
        bool is_new = gl_cas_full(&kinds[i].bytes, 0, bytes);
        if (is_new) {
            gl_store_release(&kinds[i].call, (uintptr_t)call);
        }
        if (is_new || (gl_load_relaxed(&kinds[i].bytes) == bytes &&
                       gl_load_acquire(&kinds[i].call) == (uintptr_t)call)) {
            gl_add_relaxed(&kinds[i].count, 1);
            return;
        }
    }
}

bool gl_lost_evidence_at(size_t i, gl_lost_evidence *evidence)
{
    if (i >= KINDS_MAX || gl_load_acquire(&kinds[i].call) == 0) {
        return false;
    }
    evidence->bytes = gl_load_relaxed(&kinds[i].bytes);
    evidence->call = (const char *)gl_load_relaxed(&kinds[i].call);
    evidence->count = gl_load_relaxed(&kinds[i].count);
    return true;
}

void gl_hook_condemned_used(const gl_object *object, const char *call)
{
    remember(object->bytes, call);
    gl_heap_clear_state(object, GL_STATE_CONDEMNED);
    gl_add_relaxed(&lost.n_evidence, 1);
    exempt(class_of(object));
}

uint64_t gl_lost_n_evidence(void)
{
    return gl_load_relaxed(&lost.n_evidence);
}

const char *gl_lost_why_kept(void)
{
    return (const char *)gl_load_relaxed(&lost.why_kept);
}

bool gl_lost_is_all_kept(void)
{
    return gl_load_relaxed(&lost.why_kept) != 0;
}

/* ---- Libraries that hide pointers ----------------------------------------------------------- */

typedef struct hider {
    const char *name, *why;
} hider;

static const hider hiders[] = {
#define GL_HIDER(name, why) {name, why},
#include "base/hiders.def"
#undef GL_HIDER
};

/* `names` are separated by commas. */
static bool is_in_list(const char *file, const char *names)
{
    while (*names) {
        size_t n = strcspn(names, ",");
        if (n > 0 && strncmp(file, names, n) == 0) {
            return true;
        }
        names += n + (names[n] == ',');
    }
    return false;
}

static void look_at(const char *path, void *arg)
{
    (void)arg;
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof hiders / sizeof *hiders; i++) {
        if (strncmp(file, hiders[i].name, strlen(hiders[i].name)) == 0) {
            gl_collect_keep_lost(hiders[i].name);
        }
    }
    if (is_in_list(file, gl_options.hiders.text)) {
        gl_collect_keep_lost("a library that the option hiders names");
    }
}

void gl_lost_look_at_images(void)
{
    if (!gl_lost_is_all_kept()) {
        gl_images_each_new(&lost.n_loads, look_at, NULL);
    }
}

/* ---- One object ----------------------------------------------------------------------------- */

typedef struct holding {
    gl_marker *marker;
    gl_lost_report *report;
    bool is_step;   /* this collection counts */
    uint32_t limit; /* an object is ripe when so many that count have not reached it */
    uint32_t n_kept;
    uintptr_t kept[GL_MARK_STARTS_MAX]; /* to be marked, in batches */
} holding;

static uint32_t count_of(uint8_t state)
{
    return (state & GL_STATE_CONDEMNED) / GL_STATE_CONDEMNED_ONCE;
}

static void set_count(uint8_t *state, uint32_t count)
{
    *state &= (uint8_t)~GL_STATE_CONDEMNED;
    *state = (uint8_t)(*state + count * GL_STATE_CONDEMNED_ONCE);
}

static bool is_exempt(uint32_t size_class)
{
    return gl_lost_is_all_kept() || (gl_load_relaxed(&lost.exempt) >> size_class & 1);
}

/* An allocated object that was not reached. True: it is kept. */
static bool keeps(const holding *h, uint8_t *state, uint32_t size_class, size_t bytes)
{
    gl_lost_report *r = h->report;
    if (is_exempt(size_class)) {
        set_count(state, 0);
        r->exempt_objects++;
        r->exempt_bytes += bytes;
        return true;
    }
    uint32_t count = count_of(*state);
    if (h->is_step || count == 0) {
        r->new_objects += count == 0;
        r->new_bytes += count == 0 ? bytes : 0;
        set_count(state, ++count);
    }
    if (count >= h->limit) {
        r->ripe_objects++;
        r->ripe_bytes += bytes;
        return false;
    }
    r->condemned_objects++;
    r->condemned_bytes += bytes;
    return true;
}

/* Not to be reclaimed now: so that it is ripe again at the next collection. */
static void put_off(const holding *h, uint8_t *state, size_t bytes)
{
    gl_lost_report *r = h->report;
    set_count(state, h->limit - 1);
    r->ripe_objects--;
    r->ripe_bytes -= bytes;
    r->condemned_objects++;
    r->condemned_bytes += bytes;
}

/* ---- All of them ---------------------------------------------------------------------------- */

/* Calls fn for each allocated object of malloc's. */
typedef struct lost_object {
    uintptr_t start;
    uint8_t *state;
    size_t bytes;
    uint32_t size_class;
    bool is_marked;
} lost_object;

typedef void visit(holding *h, const lost_object *o);

/* Unmarked ones, and, in blocks where some are condemned, all. */
static void each_in_block(holding *h, uint32_t block, visit *fn)
{
    gl_block *header = &gl_heap.blocks[block];
    size_t bytes = (size_t)gl_heap.descs[block].granules << GL_GRANULE_SHIFT;
    bool has_condemned = (header->flags & GL_BLOCK_CONDEMNED) != 0;
    unsigned states = 0;
    for (uint32_t w = 0; w < gl_words_for(header->n_objects); w++) {
        uint64_t marks = gl_block_mark_bits(block)[w];
        uint64_t slots = gl_low_bits(header->n_objects - w * 64);
        for (uint64_t todo = has_condemned ? slots : ~marks & slots; todo; todo &= todo - 1) {
            uint32_t bit = gl_ctz64(todo);
            uintptr_t start = gl_block_start(block) + (w * 64 + bit) * bytes;
            lost_object o = {start, gl_state_of(start), bytes, gl_bin_class(header->bin),
                             marks >> bit & 1};
            if (*o.state != GL_STATE_FREE) {
                fn(h, &o);
                states |= *o.state;
            }
        }
    }
    header->flags = (uint8_t)((header->flags & ~GL_BLOCK_CONDEMNED) |
                              (states & GL_STATE_CONDEMNED ? GL_BLOCK_CONDEMNED : 0));
}

static void visit_large(holding *h, uint32_t head, visit *fn)
{
    gl_block *header = &gl_heap.blocks[head];
    if (header->state != GL_STATE_FREE && header->kind == GL_KIND_MALLOC) {
        lost_object o = {gl_block_start(head), &header->state,
                         (size_t)header->run_blocks << GL_BLOCK_SHIFT, LARGE, header->is_marked};
        fn(h, &o);
    }
}

static void each(holding *h, visit *fn)
{
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        gl_desc desc = gl_heap.descs[block];
        if (desc.granules && gl_bin_kind(desc.bin) == GL_KIND_MALLOC) {
            each_in_block(h, block, fn);
        } else if (!desc.granules && desc.bin == GL_ROLE_LARGE) {
            visit_large(h, block, fn);
        }
    }
}

static void mark_kept(holding *h)
{
    gl_mark_starts(h->marker, h->kept, h->n_kept);
    h->n_kept = 0;
}

static void keep(holding *h, const lost_object *o)
{
    if (h->n_kept == GL_MARK_STARTS_MAX) {
        mark_kept(h);
    }
    h->kept[h->n_kept++] = o->start;
}

/* The first visit: what was reached after all is condemned no more. */
static void condemn(holding *h, const lost_object *o)
{
    if (o->is_marked) {
        set_count(o->state, 0);
    } else if (keeps(h, o->state, o->size_class, o->bytes)) {
        keep(h, o);
    }
}

static void keep_ripe(holding *h, const lost_object *o)
{
    if (!o->is_marked) {
        put_off(h, o->state, o->bytes);
        keep(h, o);
    }
}

/* The last visit: of the ripe ones, what the search has found, or what a kept one refers to, begins anew. */
static void settle(holding *h, const lost_object *o)
{
    if (o->is_marked && count_of(*o->state) == h->limit) {
        set_count(o->state, 0);
        h->report->ripe_objects--;
        h->report->ripe_bytes -= o->bytes;
    }
}

/* ---- The whole ------------------------------------------------------------------------------ */

/* The user asks for it, or needs it. */
static bool is_wanted(gc_reason reason)
{
    return reason == GC_REASON_EXPLICIT || reason == GC_REASON_NO_MEMORY;
}

static bool is_step(gc_reason reason)
{
    size_t allocated = gl_load_relaxed(&gl_heap.allocated_bytes);
    if (!is_wanted(reason) && allocated - lost.counted_at < STEP_BYTES) {
        return false;
    }
    lost.counted_at = allocated;
    return true;
}

/* First from what is certainly alive: there pointers one past the end count, too. Not from condemned objects:
 * lost objects refer to each other, and each would keep its neighbours, until none is left to reclaim. Then, at
 * every fourth byte, from all that is kept or was found, as long as that finds more. False: there is no end to
 * it, or no list of roots. */
static bool search_thoroughly(gl_marker *m, gl_lost_search *search, void *arg)
{
    gl_marker_be_thorough(m, true);
    bool has_roots = search(m, arg);
    gl_linear_mark_from_live(m, false);
    gl_marker_be_thorough(m, false);
    gl_mark_drain(m);
    for (int i = 0; has_roots && i < SEARCHES_MAX; i++) {
        gl_marker_read_between(m, true);
        gl_linear_mark_from_live(m, true);
        gl_marker_read_between(m, false);
        if (!gl_marker_has_work(m)) {
            return true;
        }
        gl_mark_drain(m);
    }
    return false;
}

static bool is_worth_it(const gl_lost_report *r, gc_reason reason)
{
    return is_wanted(reason) ||
           r->ripe_bytes >= gl_load_relaxed(&gl_heap.in_use_bytes) / WORTH_SHARE;
}

void gl_lost_hold(gl_marker *m, gc_reason reason, gl_lost_search *search, void *arg,
                  gl_lost_report *report)
{
    memset(report, 0, sizeof *report);
    report->hidden_uses = gl_lost_n_evidence();
    holding h = {.marker = m,
                 .report = report,
                 .is_step = is_step(reason),
                 .limit = (uint32_t)gl_options.lost_collections};
    each(&h, condemn);
    mark_kept(&h);
    gl_mark_drain(m);
    if (report->ripe_objects != 0 &&
        (!is_worth_it(report, reason) || !search_thoroughly(m, search, arg))) {
        each(&h, keep_ripe);
        mark_kept(&h);
        gl_mark_drain(m);
    }
}

void gl_lost_settle(gl_lost_report *report)
{
    holding h = {.report = report, .limit = (uint32_t)gl_options.lost_collections};
    if (report->ripe_objects != 0) {
        each(&h, settle);
    }
}
