/* SPDX-License-Identifier: MIT */
/*
 * tests/sim/properties.c - what holds for the pacer whatever the program does: bounds, monotonic
 * behaviour, the ends of the arithmetic. pacer.c has the programs with names; these are random.
 */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

#include "collect/pacer.h"

#define MIB ((uint64_t)1 << 20)
#define NO_LIMIT UINT64_MAX

enum { N_CASES = 20000, MAX_ROOM = 1024 };

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Of any magnitude, the largest included. */
static uint64_t any_number(uint64_t *state)
{
    uint64_t sort = next_random(state) % 16;
    return sort == 0   ? 0
           : sort == 1 ? UINT64_MAX - next_random(state) % 100
                       : next_random(state) >> next_random(state) % 64;
}

static uint64_t any_percent(uint64_t *state)
{
    return next_random(state) % 4 == 0 ? 100000 : 1 + next_random(state) % 1000;
}

static gl_pacer any_pacer(uint64_t *state)
{
    gl_pacer p;
    gl_pacer_init(&p, any_percent(state), any_number(state), any_number(state),
                  (uint64_t)1 << next_random(state) % 5);
    return p;
}

static gl_pacer_sample any_sample(uint64_t *state)
{
    gl_pacer_sample s;
    uint64_t *const members[] = {&s.before_bytes,        &s.live_bytes,
                                 &s.collector_ns,        &s.program_ns,
                                 &s.condemned_bytes,     &s.new_condemned_bytes,
                                 &s.old_reclaimed_bytes};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        *members[i] = any_number(state);
    }
    return s;
}

/* ---- One step -------------------------------------------------------------------------------- */

START_TEST(the_trigger_is_never_below_what_lives)
{
    uint64_t state = 1;
    for (int i = 0; i < N_CASES; i++) {
        gl_pacer p = any_pacer(&state);
        for (int j = 0; j < 5; j++) {
            gl_pacer_sample s = any_sample(&state);
            uint64_t trigger = gl_pacer_learn(&p, &s);
            ck_assert_uint_ge(trigger, s.live_bytes); /* also where a sum would wrap */
            uint64_t least = p.floor_bytes < p.limit_bytes ? p.floor_bytes : p.limit_bytes;
            ck_assert_uint_ge(trigger, least);
            ck_assert_uint_eq(trigger, gl_pacer_trigger(&p));
        }
    }
}
END_TEST

START_TEST(the_state_stays_in_its_bounds)
{
    uint64_t state = 2;
    for (int i = 0; i < N_CASES; i++) {
        gl_pacer p = any_pacer(&state);
        for (int j = 0; j < 12; j++) {
            gl_pacer_sample s = any_sample(&state);
            gl_pacer_learn(&p, &s);
            ck_assert_uint_ge(p.backoff, 1);
            ck_assert_uint_le(p.backoff, p.max_backoff);
            ck_assert_uint_eq(p.backoff & (p.backoff - 1), 0);
            ck_assert(p.limit_room >= 1 && p.limit_room <= MAX_ROOM);
            ck_assert_uint_ge(p.peak_bytes, p.live_bytes);
        }
    }
}
END_TEST

START_TEST(percent_0_never_collects)
{
    uint64_t state = 3;
    for (int i = 0; i < N_CASES; i++) {
        gl_pacer p = any_pacer(&state);
        p.percent = 0;
        gl_pacer_sample s = any_sample(&state);
        ck_assert_uint_eq(gl_pacer_learn(&p, &s), UINT64_MAX);
    }
}
END_TEST

/* Raises one of the settings, or what lives: the trigger must not fall. */
START_TEST(the_trigger_is_monotonic)
{
    uint64_t state = 4;
    for (int i = 0; i < N_CASES; i++) {
        gl_pacer p = any_pacer(&state);
        gl_pacer_sample s = any_sample(&state);
        s.condemned_bytes = 0; /* with it the distance is halved at once, where it gets short */
        gl_pacer_learn(&p, &s);
        uint64_t trigger = gl_pacer_trigger(&p);
        uint64_t *const members[] = {&p.percent, &p.floor_bytes, &p.limit_bytes,
                                     &p.live_bytes, &p.peak_bytes, &p.backoff};
        for (size_t j = 0; j < sizeof members / sizeof *members; j++) {
            uint64_t old = *members[j];
            uint64_t more = any_number(&state) % (1 + (UINT64_MAX - old) / 2);
            *members[j] = j == 0 || j == 5 ? old + more % 1000 : old + more;
            ck_assert_msg(gl_pacer_trigger(&p) >= trigger, "member %zu, case %d", j, i);
            *members[j] = old;
        }
    }
}
END_TEST

START_TEST(a_poor_collection_delays_the_next)
{
    gl_pacer with, without;
    gl_pacer_init(&with, 100, MIB, NO_LIMIT, 16);
    gl_pacer_init(&without, 100, MIB, NO_LIMIT, 1);
    gl_pacer_sample poor = {100 * MIB, 99 * MIB, 1000, 1000000, 0, 0, 0};
    uint64_t last = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t trigger = gl_pacer_learn(&with, &poor);
        ck_assert_uint_gt(trigger, last);
        ck_assert_uint_ge(trigger, gl_pacer_learn(&without, &poor));
        last = trigger;
    }
    ck_assert_uint_eq(gl_pacer_learn(&with, &poor), last); /* the end of the backoff */
    gl_pacer_sample rich = {1000 * MIB, 99 * MIB, 1000, 1000000, 0, 0, 0};
    for (int i = 0; i < 4; i++) {
        gl_pacer_learn(&with, &rich);
    }
    ck_assert_uint_eq(with.backoff, 1);
}
END_TEST

/* ---- Whole programs -------------------------------------------------------------------------- */

/* A program that allocates in steps; of each part of it that many are freed, lost or kept, until
 * `live_max` are kept. */
typedef struct program {
    uint64_t step_bytes, live_max;
    uint64_t freed, lost; /* of 16 parts */
    uint64_t mark_ns_per_mib, allocate_ns_per_mib;
} program;

typedef struct outcome {
    uint64_t n_collections, max_in_use, collector_ns, program_ns;
} outcome;

static outcome simulate(const program *g, gl_pacer *p, int n_steps)
{
    outcome o = {0, 0, 0, 0};
    uint64_t live = 0, in_use = 0, since_ns = 0;
    uint64_t trigger = gl_pacer_trigger(p);
    for (int i = 0; i < n_steps; i++) {
        uint64_t kept = g->step_bytes / 16 * (16 - g->freed - g->lost);
        uint64_t released = live + kept > g->live_max ? live + kept - g->live_max : 0;
        in_use += g->step_bytes - g->step_bytes / 16 * g->freed;
        live += kept - released; /* what is released is lost, too */
        since_ns += g->step_bytes / 1024 * g->allocate_ns_per_mib / 1024;
        o.max_in_use = in_use > o.max_in_use ? in_use : o.max_in_use;
        if (in_use > trigger) {
            gl_pacer_sample s = {.before_bytes = in_use,
                                 .live_bytes = live,
                                 .collector_ns = 50000 + live / 1024 * g->mark_ns_per_mib / 1024,
                                 .program_ns = since_ns};
            trigger = gl_pacer_learn(p, &s);
            in_use = live;
            o.n_collections++;
            o.collector_ns += s.collector_ns;
            o.program_ns += since_ns;
            since_ns = 0;
        }
    }
    o.program_ns += since_ns;
    return o;
}

static program any_program(uint64_t *state)
{
    uint64_t freed = next_random(state) % 15;
    return (program){.step_bytes = 4096 + next_random(state) % 200000,
                     .live_max = MIB + next_random(state) % (200 * MIB),
                     .freed = freed,
                     .lost = next_random(state) % (16 - freed),
                     .mark_ns_per_mib = 100000 + next_random(state) % 2000000,
                     .allocate_ns_per_mib = 100000 + next_random(state) % 3000000};
}

enum { N_PROGRAMS = 300, N_STEPS = 20000 };

START_TEST(a_higher_percentage_means_fewer_collections)
{
    static const uint64_t percents[] = {25, 50, 100, 200, 400, 1600};
    uint64_t state = 5;
    for (int i = 0; i < N_PROGRAMS; i++) {
        program g = any_program(&state);
        outcome last = {UINT64_MAX, 0, 0, 0};
        for (size_t j = 0; j < sizeof percents / sizeof *percents; j++) {
            gl_pacer p;
            gl_pacer_init(&p, percents[j], 4 * MIB, NO_LIMIT, 1);
            outcome o = simulate(&g, &p, N_STEPS);
            ck_assert_uint_le(o.n_collections, last.n_collections);
            last = o;
        }
    }
}
END_TEST

START_TEST(the_heap_stays_within_its_percentage)
{
    uint64_t state = 6;
    for (int i = 0; i < N_PROGRAMS; i++) {
        program g = any_program(&state);
        uint64_t percent = 10 + next_random(&state) % 500;
        gl_pacer p;
        gl_pacer_init(&p, percent, 4 * MIB, NO_LIMIT, 1);
        outcome o = simulate(&g, &p, N_STEPS);
        uint64_t bound = g.live_max + g.live_max / 100 * percent;
        bound = bound > 4 * MIB ? bound : 4 * MIB;
        ck_assert_uint_le(o.max_in_use, bound + g.step_bytes);
        /* And no oftener than that needs: each collection but those of the start comes after the
         * heap has grown by at least a part of the floor, or of what lives. */
        uint64_t grown = (g.step_bytes - g.step_bytes / 16 * g.freed) * N_STEPS;
        uint64_t least = 4 * MIB / 100 * percent / (100 + percent);
        ck_assert_uint_le(o.n_collections, grown / (least ? least : 1) + 1);
    }
}
END_TEST

START_TEST(with_backoff_there_are_not_more_collections)
{
    uint64_t state = 7;
    for (int i = 0; i < N_PROGRAMS; i++) {
        program g = any_program(&state);
        gl_pacer with, without;
        gl_pacer_init(&with, 150, 32 * MIB, NO_LIMIT, 16);
        gl_pacer_init(&without, 150, 32 * MIB, NO_LIMIT, 1);
        outcome o = simulate(&g, &with, N_STEPS);
        ck_assert_uint_le(o.n_collections, simulate(&g, &without, N_STEPS).n_collections);
        ck_assert_uint_le(o.max_in_use, 32 * MIB + g.live_max * 25 + g.step_bytes);
    }
}
END_TEST

/* Near the limit and beyond: the collector takes about half of the time at most, however dear
 * marking is, and where that costs little the heap stays at the limit. */
START_TEST(the_limit_is_kept_or_costs_half_of_the_time)
{
    uint64_t state = 8;
    for (int i = 0; i < N_PROGRAMS; i++) {
        program g = any_program(&state);
        uint64_t limit = g.live_max / 2 + next_random(&state) % g.live_max;
        g.freed = 0;
        gl_pacer p;
        gl_pacer_init(&p, 100, 4 * MIB, limit, 1);
        outcome o = simulate(&g, &p, N_STEPS * 5);
        double time = (double)(o.collector_ns + o.program_ns);
        double share = (double)o.collector_ns / time;
        double unlimited = (double)g.mark_ns_per_mib /
                           (double)(g.mark_ns_per_mib + g.allocate_ns_per_mib);
        double bound = unlimited > 0.55 ? unlimited : 0.55;
        ck_assert_msg(share <= bound + 0.1, "program %d: a share of %.2f, the bound is %.2f", i,
                      share, bound);
        ck_assert_uint_le(o.max_in_use, 2 * g.live_max + 4 * MIB + g.step_bytes);
        if (share < 0.2) {
            uint64_t room = g.live_max + g.live_max / 16;
            ck_assert_uint_le(o.max_in_use, (limit > room ? limit : room) + 2 * g.step_bytes);
        }
    }
}
END_TEST

/* A program that only grows: as many collections as the logarithm says. */
START_TEST(a_ramp_costs_a_logarithm)
{
    program g = {MIB, UINT64_MAX / 2, 0, 0, 1000000, 600000};
    gl_pacer p;
    gl_pacer_init(&p, 100, 4 * MIB, NO_LIMIT, 1);
    outcome o = simulate(&g, &p, 1 << 20); /* one TiB: from 4 MiB that is 18 doublings */
    ck_assert(o.n_collections >= 17 && o.n_collections <= 19);
    gl_pacer_init(&p, 100, 4 * MIB, NO_LIMIT, 16);
    o = simulate(&g, &p, 1 << 20);
    ck_assert(o.n_collections >= 3 && o.n_collections <= 8);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pacer");
    TCase *step = tcase_create("step");
    tcase_set_timeout(step, 120);
    tcase_add_test(step, the_trigger_is_never_below_what_lives);
    tcase_add_test(step, the_state_stays_in_its_bounds);
    tcase_add_test(step, percent_0_never_collects);
    tcase_add_test(step, the_trigger_is_monotonic);
    tcase_add_test(step, a_poor_collection_delays_the_next);
    suite_add_tcase(suite, step);
    TCase *programs = tcase_create("programs");
    tcase_set_timeout(programs, 120);
    tcase_add_test(programs, a_higher_percentage_means_fewer_collections);
    tcase_add_test(programs, the_heap_stays_within_its_percentage);
    tcase_add_test(programs, with_backoff_there_are_not_more_collections);
    tcase_add_test(programs, the_limit_is_kept_or_costs_half_of_the_time);
    tcase_add_test(programs, a_ramp_costs_a_logarithm);
    suite_add_tcase(suite, programs);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
