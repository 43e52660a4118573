/* SPDX-License-Identifier: MIT */
/*
 * tests/sim/pacer.c - programs that exist only as numbers, paced by the pacer: how often they are
 * collected, how large their heap grows, and what share of the time the collector takes.
 *
 * A program is a function that says, for each mebibyte that it allocates, how much is reachable then,
 * and how much of the rest it has freed itself. The costs are about those of a machine that marks a
 * gibibyte in a second: what matters is their ratio.
 *
 *   pacer              runs all and checks the bounds
 *   pacer --verbose    prints a line for each
 *   pacer --fault      checks against bounds that cannot hold: status 1
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "collect/pacer.h"

#define MIB ((uint64_t)1 << 20)
#define NO_LIMIT UINT64_MAX

enum {
    MARK_NS_PER_MIB = 1000000,
    COLLECTION_NS = 200000,       /* stopping, roots */
    QUICK = 600000,               /* a program that does little but allocate: ns per MiB */
    SLOW = 20000000               /* one that has other things to do */
};

/* ---- The simulated process ------------------------------------------------------------------ */

typedef struct process {
    gl_pacer pacer;
    uint64_t allocated_mib;
    uint64_t reachable, in_use, trigger; /* bytes */
    uint64_t now_ns, last_end_ns, collector_ns;
    uint64_t n_collections, n_late; /* in all, and in the second half */
    uint64_t max_in_use;
    uint64_t max_reachable;
    uint64_t ns_per_mib;
} process;

static void collect(process *p)
{
    uint64_t cost = COLLECTION_NS + p->reachable / MIB * MARK_NS_PER_MIB;
    gl_pacer_sample sample = {
        .before_bytes = p->in_use,
        .live_bytes = p->reachable,
        .collector_ns = cost,
        .program_ns = p->now_ns - p->last_end_ns,
    };
    p->now_ns += cost;
    p->last_end_ns = p->now_ns;
    p->collector_ns += cost;
    p->n_collections++;
    p->in_use = p->reachable;
    p->trigger = gl_pacer_learn(&p->pacer, &sample);
}

/* Allocates one MiB; `freed` bytes are freed by the program itself. */
static void step(process *p, uint64_t reachable, uint64_t freed)
{
    p->now_ns += p->ns_per_mib;
    p->allocated_mib++;
    p->in_use += MIB;
    p->in_use -= freed < p->in_use ? freed : p->in_use;
    p->reachable = reachable;
    if (p->in_use < reachable) {
        p->in_use = reachable;
    }
    if (p->in_use > p->trigger) {
        collect(p);
    }
    p->max_in_use = p->in_use > p->max_in_use ? p->in_use : p->max_in_use;
    p->max_reachable = reachable > p->max_reachable ? reachable : p->max_reachable;
}

/* ---- Programs: what is reachable, and freed, at the nth MiB --------------------------------- */

typedef struct moment {
    uint64_t reachable, freed;
} moment;

static moment steady(uint64_t n)
{
    uint64_t mib = n < 100 ? n : 100;
    return (moment){mib * MIB, 0};
}

static moment ramp(uint64_t n) { return (moment){n * MIB / 4, 0}; }

/* Every thousandth MiB or so the data grow to twenty times their size, for a short while. */
static moment burst(uint64_t n)
{
    uint64_t phase = n % 4000;
    return (moment){phase < 500 ? (20 + phase) * MIB : 20 * MIB, 0};
}

static moment leak(uint64_t n) { return (moment){(10 + n) * MIB, 0}; }

static moment oscillation(uint64_t n)
{
    uint64_t phase = n % 600;
    return (moment){(50 + (phase < 300 ? phase : 600 - phase) / 2) * MIB, 0};
}

/* Holds 100 MiB; everything else it frees at once. */
static moment frees_everything(uint64_t n)
{
    return n < 100 ? (moment){n * MIB, 0} : (moment){100 * MIB, MIB};
}

/* Breathes: builds 80 MiB up and frees it again, over and over. */
static moment frees_in_waves(uint64_t n)
{
    uint64_t phase = n % 160;
    return phase < 80 ? (moment){(20 + phase) * MIB, 0} : (moment){(180 - phase) * MIB, 2 * MIB};
}

/* Frees all but one part in fifty, and loses that. */
static moment leaks_a_little(uint64_t n)
{
    return (moment){100 * MIB, n < 100 ? 0 : MIB - MIB / 50};
}

/* First frees everything, then turns to producing garbage. */
static moment turns_bad(uint64_t n)
{
    return n < 10000 ? frees_in_waves(n) : (moment){60 * MIB, 0};
}

static moment tiny(uint64_t n) { return (moment){MIB / 2 + n % 2, 0}; }

static moment almost_at_limit(uint64_t n)
{
    return (moment){(n < 480 ? n : 480) * MIB, 0};
}

static moment beyond_limit(uint64_t n) { return (moment){(n < 700 ? n : 700) * MIB, 0}; }

/* ---- Bounds --------------------------------------------------------------------------------- */

typedef struct scenario {
    const char *name;
    moment (*program)(uint64_t n);
    uint64_t percent, limit_mib, max_backoff, n_mib;
    uint64_t max_collections, max_late; /* in all, and in the second half */
    double max_factor; /* of the largest heap to the most that was reachable (or the floor) */
    double max_share;  /* of the time that the collector takes */
    uint64_t ns_per_mib; /* 0: QUICK */
} scenario;

enum { FLOOR_MIB = 4, PRELOADED_FLOOR_MIB = 32 };

static const scenario scenarios[] = {
    /* A program that collects: no backoff. */
    {"steady, 100 %", steady, 100, 0, 1, 20000, 210, 101, 2.02, 0.64, 0},
    {"steady, 150 %", steady, 150, 0, 1, 20000, 145, 68, 2.52, 0.54, 0},
    {"steady, 400 %", steady, 400, 0, 1, 20000, 60, 26, 5.02, 0.31, 0},
    {"ramp", ramp, 100, 0, 1, 8000, 45, 8, 2.02, 0.65, 0},
    {"burst", burst, 100, 0, 1, 40000, 500, 300, 2.02, 0.30, 0},
    {"leak", leak, 100, 0, 1, 8000, 14, 2, 2.02, 0.70, 0},
    {"oscillation", oscillation, 100, 0, 1, 40000, 250, 130, 2.02, 0.60, 0},
    {"tiny", tiny, 100, 0, 1, 10000, 3400, 1700, 1.30, 0.20, 0},
    /* Under malloc: the backoff is allowed. */
    {"frees everything", frees_everything, 150, 0, 16, 100000, 4, 0, 1.05, 0.01, 0},
    {"frees in waves", frees_in_waves, 150, 0, 16, 100000, 5, 0, 1.60, 0.01, 0},
    {"leaks a little", leaks_a_little, 150, 0, 16, 400000, 120, 60, 26.0, 0.05, 0},
    {"leak under malloc", leak, 150, 0, 16, 8000, 6, 1, 2.0, 0.20, 0},
    {"turns bad", turns_bad, 150, 0, 16, 40000, 350, 230, 26.0, 0.48, 0},
    /* While it builds its data up, collections find nothing: the backoff goes up, and comes down when
     * they do. That is the price: the heap is large for a while. */
    {"steady under malloc", steady, 150, 0, 16, 20000, 145, 68, 7.1, 0.54, 0},
    /* A soft limit: the heap stays there as long as that costs at most about half of the time. */
    {"far from the limit", steady, 100, 512, 1, 20000, 210, 101, 2.02, 0.64, 0},
    {"close to the limit", almost_at_limit, 100, 512, 1, 40000, 100, 50, 2.02, 0.65, 0},
    {"beyond the limit", beyond_limit, 100, 512, 1, 40000, 75, 35, 2.02, 0.65, 0},
    {"well below the limit", steady, 400, 300, 1, 20000, 120, 60, 3.02, 0.50, 0},
    {"slow, at the limit", almost_at_limit, 100, 512, 1, 40000, 1300, 650, 1.10, 0.50, SLOW},
    {"slow, beyond it", beyond_limit, 100, 512, 1, 40000, 1000, 500, 1.10, 0.50, SLOW},
    {"ramp to the limit", ramp, 100, 512, 1, 2000, 40, 10, 2.02, 0.75, 0},
};

/* ---- Running -------------------------------------------------------------------------------- */

static bool is_verbose, has_fault;
static int n_faults;

static void expect(const scenario *s, bool is_true, const char *what, double found, double bound)
{
    if (!is_true) {
        fprintf(stderr, "%s: %s is %.3f, the bound is %.3f\n", s->name, what, found, bound);
        n_faults++;
    }
}

static void run(const scenario *s)
{
    process p = {.ns_per_mib = s->ns_per_mib ? s->ns_per_mib : QUICK};
    uint64_t floor_mib = s->max_backoff > 1 ? PRELOADED_FLOOR_MIB : FLOOR_MIB;
    gl_pacer_init(&p.pacer, s->percent, floor_mib * MIB, s->limit_mib ? s->limit_mib * MIB : NO_LIMIT,
                  s->max_backoff);
    p.trigger = gl_pacer_trigger(&p.pacer);
    uint64_t n_first_half = 0;
    for (uint64_t n = 0; n < s->n_mib; n++) {
        moment m = s->program(n);
        step(&p, m.reachable, m.freed);
        if (n == s->n_mib / 2) {
            n_first_half = p.n_collections;
        }
    }
    uint64_t base = p.max_reachable > floor_mib * MIB ? p.max_reachable : floor_mib * MIB;
    double factor = (double)p.max_in_use / (double)base;
    double share = (double)p.collector_ns / (double)p.now_ns;
    uint64_t n_late = p.n_collections - n_first_half;
    if (is_verbose) {
        printf("%-22s %6" PRIu64 " collections, %6" PRIu64 " late, heap factor %5.2f, share %4.1f %%\n",
               s->name, p.n_collections, n_late, factor, share * 100);
    }
    double strictness = has_fault ? 0.1 : 1;
    double max_collections = (double)s->max_collections * strictness;
    expect(s, (double)p.n_collections <= max_collections, "number of collections",
           (double)p.n_collections, max_collections);
    expect(s, n_late <= s->max_late, "number of late collections", (double)n_late,
           (double)s->max_late);
    expect(s, factor <= s->max_factor * strictness, "heap factor", factor,
           s->max_factor * strictness);
    expect(s, share <= s->max_share * strictness, "share of the collector", share,
           s->max_share * strictness);
}

/* ---- The arithmetic at its ends ------------------------------------------------------------- */

static void check(bool is_true, const char *what)
{
    if (!is_true) {
        fprintf(stderr, "%s\n", what);
        n_faults++;
    }
}

static void check_ends(void)
{
    gl_pacer p;
    gl_pacer_sample huge = {UINT64_MAX, UINT64_MAX / 2, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0};
    gl_pacer_sample none = {0, 0, 0, 0, 0, 0, 0};
    gl_pacer_init(&p, 0, MIB, NO_LIMIT, 16);
    check(gl_pacer_trigger(&p) == UINT64_MAX, "percent 0: a trigger");
    check(gl_pacer_learn(&p, &none) == UINT64_MAX, "percent 0: a trigger after a collection");
    gl_pacer_init(&p, 100000, MIB, NO_LIMIT, 16);
    check(gl_pacer_trigger(&p) == MIB, "the first trigger is not the floor");
    check(gl_pacer_learn(&p, &none) == MIB, "an empty heap: not the floor");
    check(gl_pacer_learn(&p, &huge) >= UINT64_MAX / 2, "a huge heap: the trigger has wrapped");
    for (int i = 0; i < 400; i++) {
        gl_pacer_learn(&p, &none);
    }
    check(gl_pacer_learn(&p, &none) <= 2 * MIB, "a recent peak does not decay");
    gl_pacer_init(&p, 100, 64 * MIB, 16 * MIB, 1);
    check(gl_pacer_trigger(&p) == 16 * MIB, "the limit is below the floor: it does not count");
}

/* The first collection waits while the program is young, up to four times the floor. */
static void check_first(void)
{
    static const uint64_t YOUNG_NS = 100000000, OLD_NS = 600000000;
    gl_pacer p;
    gl_pacer_sample any = {32 * MIB, 30 * MIB, 10000000, OLD_NS, 0, 0, 0};
    gl_pacer_init(&p, 200, 32 * MIB, NO_LIMIT, 16);
    check(gl_pacer_defer(&p, 33 * MIB, YOUNG_NS) == 0, "no patience, and it waits");
    p.patience = 4;
    check(gl_pacer_defer(&p, 33 * MIB, YOUNG_NS) == 41 * MIB, "a young program does not wait");
    check(gl_pacer_defer(&p, 33 * MIB, OLD_NS) == 0, "an old program waits");
    check(gl_pacer_defer(&p, 100 * MIB, OLD_NS) == 108 * MIB, "a large heap: the cost is not seen");
    check(gl_pacer_defer(&p, 127 * MIB, 0) == 128 * MIB, "it may wait beyond four times the floor");
    check(gl_pacer_defer(&p, 128 * MIB, 0) == 0, "it waits beyond four times the floor");
    gl_pacer_learn(&p, &any);
    check(gl_pacer_defer(&p, 33 * MIB, YOUNG_NS) == 0, "the second collection waits");
    gl_pacer_init(&p, 200, 32 * MIB, 200 * MIB, 16);
    p.patience = 4;
    check(gl_pacer_defer(&p, 40 * MIB, 0) == 48 * MIB, "far from the limit it does not wait");
    check(gl_pacer_defer(&p, 51 * MIB, 0) == 0, "near the limit it waits");
}

/* A program that loses all that it allocates: each object is condemned, watched twice, and reclaimed by the
 * third collection. The heap must stay flat, and the collections must not look meagre. */
static void check_condemned(void)
{
    enum { CYCLES = 40, LIVE = 2 };
    gl_pacer p;
    gl_pacer_init(&p, 200, 32 * MIB, NO_LIMIT, 16);
    uint64_t trigger = gl_pacer_trigger(&p), once = 0, twice = 0, peak = 0;
    for (int i = 0; i < CYCLES; i++) {
        uint64_t fresh = trigger - LIVE * MIB - once - twice;
        gl_pacer_sample s = {.before_bytes = trigger,
                             .live_bytes = LIVE * MIB + fresh + once,
                             .collector_ns = 1000000,
                             .program_ns = 100000000,
                             .condemned_bytes = fresh + once,
                             .new_condemned_bytes = fresh,
                             .old_reclaimed_bytes = twice};
        twice = once;
        once = fresh;
        trigger = gl_pacer_learn(&p, &s);
        check(trigger > s.live_bytes, "condemned: a collection at every turn");
        check(p.backoff == 1, "condemned: finding garbage looks meagre");
        peak = i >= CYCLES / 2 && trigger > peak ? trigger : peak;
    }
    check(peak < 64 * MIB, "condemned: the heap does not stay flat");
}

/* A program that frees at a steady rate, and passes whose cost follows the live data. */
static uint64_t settle_quarantine(uint64_t live, uint64_t pass_ns, uint64_t ns_per_mib)
{
    uint64_t limit = gl_pacer_quarantine_first_bytes;
    for (int i = 0; i < 50; i++) {
        limit = gl_pacer_quarantine(limit, live, pass_ns, limit / MIB * ns_per_mib);
    }
    return limit;
}

static void check_quarantine(void)
{
    check(settle_quarantine(MIB, 100000, 1000000000) == MIB, "quarantine: seldom frees, waits much");
    check(settle_quarantine(MIB, 100000, 1000) == 16 * MIB, "quarantine: passes cost too much");
    check(settle_quarantine(400 * MIB, 100000000, 100000) == 100 * MIB,
          "quarantine: not a quarter of what is read");
    uint64_t middle = settle_quarantine(MIB, 300000, 3000000);
    check(middle > MIB && middle < 16 * MIB, "quarantine: no middle is found");
    check(gl_pacer_quarantine(UINT64_MAX, UINT64_MAX, UINT64_MAX, 0) == UINT64_MAX / 4,
          "quarantine: a sum has wrapped");
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        is_verbose |= strcmp(argv[i], "--verbose") == 0;
        has_fault |= strcmp(argv[i], "--fault") == 0;
    }
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        run(&scenarios[i]);
    }
    check_ends();
    check_first();
    check_condemned();
    check_quarantine();
    return n_faults != 0;
}
