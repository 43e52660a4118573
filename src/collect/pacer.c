/* SPDX-License-Identifier: MIT */
/* collect/pacer.c - see pacer.h for the rules. */
#include "collect/pacer.h"

enum { FIRST_SHARE = 50, /* a fiftieth of the time */ PEAK_DECAY = 8, ROOM_UNIT = 16, ROOM_MAX = 1024, BOUND_ROOM = 8 };

void gl_pacer_init(gl_pacer *pacer, uint64_t percent, uint64_t floor_bytes, uint64_t limit_bytes,
                   uint64_t max_backoff)
{
    pacer->percent = percent;
    pacer->floor_bytes = floor_bytes;
    pacer->limit_bytes = limit_bytes;
    pacer->max_backoff = max_backoff;
    pacer->backoff = 1;
    pacer->limit_room = 1;
    pacer->peak_bytes = 0;
    pacer->live_bytes = 0;
    pacer->condemned_bytes = 0;
    pacer->bound_bytes = UINT64_MAX;
    pacer->patience = 1;
    pacer->n_collections = 0;
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t add_condemned(const gl_pacer *p, uint64_t base, uint64_t trigger)
{
    uint64_t distance = trigger > base ? trigger - base : 0;
    if (p->condemned_bytes > 0 && p->condemned_bytes >= distance - distance / 2) {
        trigger = add_capped(base, distance / 2);
    }
    return add_capped(trigger, p->condemned_bytes);
}

uint64_t gl_pacer_trigger(const gl_pacer *p)
{
    if (p->percent == 0) {
        return UINT64_MAX;
    }
    uint64_t base = larger(p->peak_bytes, p->live_bytes);
    uint64_t growth;
    if (__builtin_mul_overflow(base / 100, p->percent * p->backoff, &growth)) {
        growth = UINT64_MAX;
    }
    uint64_t trigger =
        add_condemned(p, base, larger(p->floor_bytes, add_capped(base, growth)));
    uint64_t in_use = add_capped(p->live_bytes, p->condemned_bytes);
    if (trigger > p->bound_bytes) {
        trigger = smaller(trigger, larger(p->bound_bytes, add_capped(in_use, in_use / BOUND_ROOM)));
    }
    if (trigger > p->limit_bytes) {
        uint64_t room;
        if (__builtin_mul_overflow(in_use / ROOM_UNIT, p->limit_room, &room)) {
            room = UINT64_MAX;
        }
        trigger = smaller(trigger, larger(p->limit_bytes, add_capped(in_use, room)));
    }
    return trigger;
}

/* Close to the limit there must still be room to run between two collections: more of it, while the
 * collector takes half of the time, and less again when it takes a fifth. */
static void adapt_limit_room(gl_pacer *p, const gl_pacer_sample *s)
{
    if (s->collector_ns > s->program_ns) {
        p->limit_room = smaller(p->limit_room * 2, ROOM_MAX);
    } else if (s->collector_ns < s->program_ns / 4) {
        p->limit_room = larger(p->limit_room / 2, 1);
    }
}

static void adapt_backoff(gl_pacer *p, const gl_pacer_sample *s)
{
    uint64_t found = add_capped(s->before_bytes, s->new_condemned_bytes);
    uint64_t known = add_capped(s->live_bytes, s->old_reclaimed_bytes);
    uint64_t reclaimed = found > known ? found - known : 0;
    uint64_t share_base = add_capped(s->collector_ns, s->program_ns);
    int is_meagre = reclaimed < s->before_bytes / 8;
    int is_costly = s->collector_ns > share_base / 20;
    int is_rich = reclaimed > s->before_bytes / 4;
    if (is_meagre || (is_costly && !is_rich)) {
        p->backoff = p->backoff * 2 > p->max_backoff ? p->max_backoff : p->backoff * 2;
    } else if (reclaimed > s->before_bytes / 2) {
        p->backoff = 1;
    } else if (is_rich && p->backoff > 1) {
        p->backoff /= 2;
    }
}

/* What the first collection takes, from the fifteen programs of bench: 6 to 17 ms for 32 MiB. */
static uint64_t expected_ns(uint64_t in_use_bytes)
{
    return in_use_bytes / 10 * 3;
}

uint64_t gl_pacer_defer(const gl_pacer *p, uint64_t in_use_bytes, uint64_t program_ns)
{
    uint64_t trigger = gl_pacer_trigger(p), longest;
    if (p->n_collections > 0 || __builtin_mul_overflow(trigger, p->patience, &longest)) {
        return 0;
    }
    /* Not where memory is scarce. */
    longest = smaller(longest, smaller(p->limit_bytes / 4, p->bound_bytes));
    if (in_use_bytes >= longest || expected_ns(in_use_bytes) < program_ns / FIRST_SHARE) {
        return 0;
    }
    return smaller(longest, add_capped(in_use_bytes, trigger / 4));
}

const uint64_t gl_pacer_quarantine_first_bytes = 1 << 20;

uint64_t gl_pacer_quarantine(uint64_t limit_bytes, uint64_t read_bytes, uint64_t collector_ns,
                             uint64_t program_ns)
{
    static const uint64_t MAX_BYTES = 16 << 20;
    enum { LONGEST_SHARE = 24, SHORTEST_SHARE = 64, OF_READ = 4 };
    uint64_t max = larger(MAX_BYTES, read_bytes / OF_READ);
    if (collector_ns > program_ns / LONGEST_SHARE) {
        limit_bytes = add_capped(limit_bytes, limit_bytes);
    } else if (collector_ns < program_ns / SHORTEST_SHARE) {
        limit_bytes /= 2;
    }
    return larger(gl_pacer_quarantine_first_bytes, smaller(limit_bytes, max));
}

static void remember(gl_pacer *p, uint64_t live_bytes)
{
    p->live_bytes = live_bytes;
    p->peak_bytes = larger(live_bytes, p->peak_bytes - p->peak_bytes / PEAK_DECAY);
}

uint64_t gl_pacer_note(gl_pacer *p, uint64_t live_bytes)
{
    remember(p, live_bytes);
    return gl_pacer_trigger(p);
}

uint64_t gl_pacer_learn(gl_pacer *p, const gl_pacer_sample *s)
{
    p->n_collections++;
    adapt_backoff(p, s);
    adapt_limit_room(p, s);
    p->condemned_bytes = smaller(s->condemned_bytes, s->live_bytes);
    remember(p, s->live_bytes - p->condemned_bytes);
    return gl_pacer_trigger(p);
}
