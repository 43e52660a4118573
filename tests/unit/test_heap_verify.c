/* SPDX-License-Identifier: MIT */
/*
 * The verifier finds every kind of damage: each test of the table spoils one thing that an equation
 * of heap/types.h speaks of, in a process of its own, and expects the verifier to stop it.
 */
#include <signal.h>

#include "heap/alloc.h"
#include "heap/arena.h"
#include "heap/bin.h"
#include "heap/cache.h"
#include "heap/pages.h"
#include "heap/size_class.h"
#include "heap_fixture.h"

enum { OBJECT_BYTES = 64, N_OBJECTS = 3000 };

static uintptr_t objects[N_OBJECTS]; /* every other one has been freed again */
static uintptr_t large, other_large;

static void setup(void)
{
    fixture_setup();
    for (int i = 0; i < N_OBJECTS; i++) {
        objects[i] = (uintptr_t)gl_heap_alloc(OBJECT_BYTES, GL_KIND_SCANNED, false);
    }
    for (int i = 0; i < N_OBJECTS; i += 2) { /* some go to the blocks, some to depot and cache */
        ck_assert(gl_heap_free((void *)objects[i], "free"));
        if (i == N_OBJECTS / 4) {
            gl_heap_thread_detach();
            gl_bin_sweep_all();
        }
    }
    large = (uintptr_t)gl_heap_alloc(300000, GL_KIND_SCANNED, false);
    other_large = (uintptr_t)gl_heap_alloc(300000, GL_KIND_SCANNED, false);
    void *between = gl_heap_alloc(200000, GL_KIND_MALLOC, false);
    void *last = gl_heap_alloc(200000, GL_KIND_MALLOC, false);
    ck_assert(between && last && gl_heap_free(between, "free"));
    ck_assert_uint_eq(fixture_verify(), N_OBJECTS / 2 + 3);
}

/* ---- Where to find things ------------------------------------------------------------------- */

static uint32_t block_of(uintptr_t p)
{
    return (uint32_t)((p - gl_heap.base) >> GL_BLOCK_SHIFT);
}

static gl_block *header_of(uintptr_t p)
{
    return &gl_heap.blocks[block_of(p)];
}

static uint32_t bin_of_objects(void)
{
    return gl_bin_of(GL_KIND_SCANNED, gl_size_class(OBJECT_BYTES));
}

static gl_magazine *magazine(void)
{
    gl_magazine *m = &gl_self->magazines[bin_of_objects()];
    ck_assert_uint_ge(m->count, 2);
    return m;
}

/* A block with slots that are free in its bitmap. */
static uint32_t block_with_free_slots(uint32_t *slot)
{
    uint32_t block = gl_bins[bin_of_objects()].partial;
    ck_assert_uint_ne(block, 0);
    for (*slot = 0; !(gl_block_free_bits(block)[*slot / 64] >> (*slot % 64) & 1); ++*slot) {
    }
    return block;
}

/* The first free run with a right neighbour in use. */
static uint32_t free_run(void)
{
    for (uint32_t b = 1; b < gl_arena_n_blocks(); b++) {
        if (gl_heap.blocks[b].flags & GL_BLOCK_BOUNDARY) {
            return b;
        }
    }
    ck_abort_msg("no free run");
}

/* ---- Small blocks --------------------------------------------------------------------------- */

static void wrong_n_free(void) { header_of(objects[1])->n_free++; }

static void allocated_slot_is_free_too(void)
{
    gl_object object = fixture_find((void *)objects[1]);
    gl_block_free_bits(object.block)[object.index / 64] |= (uint64_t)1 << (object.index % 64);
    header_of(objects[1])->n_free++;
}

static void free_slot_is_lost(void)
{
    uint32_t slot, block = block_with_free_slots(&slot);
    gl_block_free_bits(block)[slot / 64] &= ~((uint64_t)1 << (slot % 64));
}

static void free_slot_has_a_state(void)
{
    uint32_t slot, block = block_with_free_slots(&slot);
    *gl_state_of(gl_block_start(block) + slot * OBJECT_BYTES) = GL_STATE_ALLOCATED;
}

static void state_inside_an_object(void) { *gl_state_of(objects[1] + 16) = GL_STATE_ALLOCATED; }

static void state_in_the_tail(void)
{
    uintptr_t p = (uintptr_t)gl_heap_alloc(100, GL_KIND_SCANNED, false);
    *gl_state_of(gl_block_start(block_of(p)) + GL_BLOCK_BYTES - 16) = GL_STATE_ALLOCATED;
}

/* More than the threads that a fork left behind may have held. */
static void allocated_slots_lost_their_states(void)
{
    for (int i = 1; i < 201; i += 2) {
        *gl_state_of(objects[i]) = GL_STATE_FREE;
    }
}

static void bit_above_the_last_object(void)
{
    uintptr_t p = (uintptr_t)gl_heap_alloc(100, GL_KIND_SCANNED, false);
    uint32_t n = header_of(p)->n_objects;
    ck_assert_uint_ne(n % 64, 0);
    gl_block_free_bits(block_of(p))[n / 64] |= (uint64_t)1 << (n % 64);
    header_of(p)->n_free++;
}

static void wrong_granules(void) { gl_heap.descs[block_of(objects[1])].granules++; }
static void wrong_reciprocal(void) { gl_heap.descs[block_of(objects[1])].reciprocal++; }
static void wrong_desc_bin(void) { gl_heap.descs[block_of(objects[1])].bin++; }
static void wrong_header_bin(void) { header_of(objects[1])->bin++; }
static void wrong_n_objects(void) { header_of(objects[1])->n_objects--; }
static void dead_objects_in_a_swept_block(void) { header_of(objects[1])->n_dead = 1; }
static void not_listed(void)
{
    uint32_t slot;
    gl_heap.blocks[block_with_free_slots(&slot)].flags = 0;
}
static void unswept_without_saying_so(void) { header_of(objects[1])->flags |= GL_BLOCK_UNSWEPT; }
static void block_is_forgotten(void) { gl_heap.descs[block_of(objects[1])] = (gl_desc){0, 0, 0}; }

/* ---- Caches --------------------------------------------------------------------------------- */

static void slot_is_cached_twice(void)
{
    magazine()->slots[0] = magazine()->slots[1];
    magazine()->slots[magazine()->count] = magazine()->slots[1];
    magazine()->count++;
}

static void cached_slot_is_allocated(void)
{
    *gl_state_of(magazine()->slots[0]) = GL_STATE_ALLOCATED;
}
static void cached_slot_of_another_bin(void) { magazine()->slots[0] = large; }
static void cached_slot_is_misplaced(void) { magazine()->slots[0] += 16; }
static void cached_slot_is_nowhere(void) { magazine()->slots[0] = (uintptr_t)&large; }
static void magazine_overflows(void) { magazine()->capacity = (uint16_t)(magazine()->count - 1); }
static void cached_slots_are_lost(void) { magazine()->count = 0; }

static void cached_slot_is_free_too(void)
{
    uint32_t slot, block = block_with_free_slots(&slot);
    magazine()->slots[0] = gl_block_start(block) + slot * OBJECT_BYTES;
}

static void deposited_slot_is_allocated(void)
{
    gl_bin *b = &gl_bins[bin_of_objects()];
    ck_assert_uint_ge(b->n_batches, 1);
    b->batches[0][0] = objects[1];
}

/* ---- Large objects -------------------------------------------------------------------------- */

static void large_without_blocks(void) { header_of(large)->run_blocks = 0; }
static void large_too_long(void) { header_of(large)->run_blocks++; }
static void large_too_short(void) { header_of(large)->run_blocks--; }
static void large_bytes_exceed_the_run(void)
{
    header_of(large)->large_bytes = 6 << GL_BLOCK_SHIFT;
}
static void continuation_leads_astray(void) { gl_heap.descs[block_of(large) + 2].reciprocal++; }
static void continuation_is_forgotten(void)
{
    gl_heap.descs[block_of(large) + 1] = (gl_desc){0, 0, 0};
}

/* ---- Runs ----------------------------------------------------------------------------------- */

static void free_run_length(void) { gl_heap.blocks[free_run()].run_blocks++; }
static void free_run_tail(void)
{
    uint32_t b = free_run();
    gl_heap.blocks[b + gl_heap.blocks[b].run_blocks - 1].run_blocks++;
}
static void free_run_links(void) { gl_heap.blocks[free_run()].prev ^= 1; }
static void free_run_dirt(void)
{
    uint8_t *byte = gl_pages_of(free_run());
    *byte = *byte == GL_PAGES_CLEAN ? GL_PAGES_DUE : GL_PAGES_CLEAN;
}
static void free_run_is_held(void) { *gl_pages_of(free_run()) = GL_PAGES_HELD; }
static void held_block_is_free(void) { *gl_pages_of(block_of(large)) = GL_PAGES_CLEAN; }
static void free_run_beside_another(void)
{
    gl_heap.blocks[free_run() - 1].flags |= GL_BLOCK_BOUNDARY;
}

/* ---- Sums ----------------------------------------------------------------------------------- */

static void in_use_bytes(void) { gl_heap.in_use_bytes += 16; }
static void used_bytes(void) { gl_heap.used_bytes -= GL_BLOCK_BYTES; }
static void allocated_slots(void) { gl_heap.allocated_slots += 1; }
static void freed_slots(void) { gl_heap.freed_slots += 1; }
static void n_frozen(void) { gl_heap.n_frozen += 1; }
static void n_pinned(void) { gl_heap.n_pinned += 1; }
static void flag_that_is_not_counted(void) { *gl_state_of(objects[1]) |= GL_STATE_PINNED; }
static void n_blocks_of_a_bin(void) { gl_bins[bin_of_objects()].n_blocks++; }
static void n_free_of_a_bin(void) { gl_bins[bin_of_objects()].n_free++; }
static void list_of_a_bin(void) { gl_bins[bin_of_objects()].partial = 0; }

#define FAULT(name) {name, #name}
static const struct {
    void (*spoil)(void);
    const char *name;
} faults[] = {
    FAULT(wrong_n_free),
    FAULT(allocated_slot_is_free_too),
    FAULT(free_slot_is_lost),
    FAULT(free_slot_has_a_state),
    FAULT(state_inside_an_object),
    FAULT(state_in_the_tail),
    FAULT(allocated_slots_lost_their_states),
    FAULT(bit_above_the_last_object),
    FAULT(wrong_granules),
    FAULT(wrong_reciprocal),
    FAULT(wrong_desc_bin),
    FAULT(wrong_header_bin),
    FAULT(wrong_n_objects),
    FAULT(dead_objects_in_a_swept_block),
    FAULT(not_listed),
    FAULT(unswept_without_saying_so),
    FAULT(block_is_forgotten),
    FAULT(slot_is_cached_twice),
    FAULT(cached_slot_is_allocated),
    FAULT(cached_slot_of_another_bin),
    FAULT(cached_slot_is_misplaced),
    FAULT(cached_slot_is_nowhere),
    FAULT(magazine_overflows),
    FAULT(cached_slots_are_lost),
    FAULT(cached_slot_is_free_too),
    FAULT(deposited_slot_is_allocated),
    FAULT(large_without_blocks),
    FAULT(large_too_long),
    FAULT(large_too_short),
    FAULT(large_bytes_exceed_the_run),
    FAULT(continuation_leads_astray),
    FAULT(continuation_is_forgotten),
    FAULT(free_run_length),
    FAULT(free_run_tail),
    FAULT(free_run_links),
    FAULT(free_run_dirt),
    FAULT(free_run_is_held),
    FAULT(held_block_is_free),
    FAULT(free_run_beside_another),
    FAULT(in_use_bytes),
    FAULT(used_bytes),
    FAULT(allocated_slots),
    FAULT(freed_slots),
    FAULT(n_frozen),
    FAULT(n_pinned),
    FAULT(flag_that_is_not_counted),
    FAULT(n_blocks_of_a_bin),
    FAULT(n_free_of_a_bin),
    FAULT(list_of_a_bin),
};

static void spoil_and_verify(void *index)
{
    faults[*(int *)index].spoil();
    fixture_verify();
}

START_TEST(test_damage_is_found)
{
    fixture_expect_panic(spoil_and_verify, &_i, faults[_i].name, "");
}
END_TEST

/* Not in a fork, where the verifier must allow for slots that other threads have held: here the
 * loss of a single one is found. */
START_TEST(test_one_lost_slot)
{
    *gl_state_of(objects[1]) = GL_STATE_FREE;
    fixture_verify();
}
END_TEST

/* ---- After a collection --------------------------------------------------------------------- */

/* As the flip does: of the objects in small blocks every second is found dead. */
static void leave_unswept(void)
{
    static bool is_dead[N_OBJECTS];
    fixture_stop();
    for (uint32_t b = 1; b < gl_arena_n_blocks(); b++) {
        gl_block *header = &gl_heap.blocks[b];
        if (!gl_heap.descs[b].granules || header->bin != bin_of_objects()) {
            continue;
        }
        uint64_t *marks = gl_block_mark_bits(b);
        uint32_t n_dead = 0;
        for (uint32_t w = 0; w < gl_words_for(header->n_objects); w++) {
            marks[w] = ~(uint64_t)0;
        }
        for (int i = 1; i < N_OBJECTS; i += 4) {
            if (!is_dead[i] && block_of(objects[i]) == b) {
                gl_object object = fixture_find((void *)objects[i]);
                marks[object.index / 64] &= ~((uint64_t)1 << (object.index % 64));
                is_dead[i] = true;
                n_dead++;
            }
        }
        if (n_dead) {
            gl_bin_add_unswept(b, n_dead);
            gl_heap.in_use_bytes -= n_dead * OBJECT_BYTES;
            gl_heap.freed_slots += n_dead;
        }
    }
    fixture_resume();
}

static void verify_unswept(void *unused)
{
    (void)unused;
    leave_unswept();
    ck_assert_uint_eq(fixture_verify(), N_OBJECTS / 4 + 3);
    gl_bin_sweep_all();
    ck_assert_uint_eq(fixture_verify(), N_OBJECTS / 4 + 3);
}

static void unswept_n_dead(void *unused)
{
    (void)unused;
    leave_unswept();
    header_of(objects[1])->n_dead--;
    fixture_verify();
}

static void unswept_mark(void *unused)
{
    (void)unused;
    leave_unswept();
    gl_object object = fixture_find((void *)objects[3]);
    gl_block_mark_bits(object.block)[object.index / 64] &= ~((uint64_t)1 << (object.index % 64));
    fixture_verify();
}

static void unswept_bin(void *unused)
{
    (void)unused;
    leave_unswept();
    gl_heap.descs[block_of(objects[1])].bin = header_of(objects[1])->bin;
    fixture_verify();
}

START_TEST(test_unswept_blocks)
{
    fixture_expect_success(verify_unswept, NULL, "blocks that wait for the sweep");
    fixture_expect_panic(unswept_n_dead, NULL, "number of dead objects", "");
    fixture_expect_panic(unswept_mark, NULL, "mark bit of a live object", "");
    fixture_expect_panic(unswept_bin, NULL, "descriptor of an unswept block", "");
}
END_TEST

static void verify_only(void *unused)
{
    (void)unused;
    fixture_verify();
}

START_TEST(test_sound_heap)
{
    fixture_expect_success(verify_only, NULL, "a sound heap");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("verify");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_loop_test(t, test_damage_is_found, 0, (int)(sizeof faults / sizeof faults[0]));
    tcase_add_test_raise_signal(t, test_one_lost_slot, SIGABRT);
    tcase_add_test(t, test_unswept_blocks);
    tcase_add_test(t, test_sound_heap);
    return fixture_run(t);
}
