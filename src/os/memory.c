/* SPDX-License-Identifier: MIT */
/*
 * os/memory.c - the space, and its pages, on Linux.
 *
 * The space is in one of two modes, chosen once:
 *   unreserved  nothing is mapped but what is committed; fixed addresses far from where the system
 *               places mappings; commit never replaces a mapping (MAP_FIXED_NOREPLACE)
 *   reserved    one PROT_NONE mapping; commit and decommit replace parts of it
 *
 * Committed pages are ordinary private memory without MAP_NORESERVE, as malloc's are: with
 * overcommit_memory=2 the system charges what is committed, and in mode 0 it refuses only a single
 * request that exceeds all memory, as it would refuse malloc. The mappings get no name: that is a
 * call more for each, and on kernels without it they merge all the same.
 *
 * The callers serialise calls for one range; the table of pieces has a lock. System calls are raw, for a preloaded library may replace mmap.
 */
#include "os/memory.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/lock.h"
#include "base/syscall.h"
#include "os/random.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define GIB ((size_t)1 << 30)

/* Where fixed addresses are tried: above the shadow memory of AddressSanitizer, which ends a
 * little above 16 TiB, and below 64 TiB, where no kernel places a mapping by itself before tens of
 * TiB are in use. */
#define BASE_LOWEST ((uintptr_t)0x100100000000)
#define BASE_END ((uintptr_t)0x400000000000)

enum { CANDIDATES = 16 };

size_t gl_os_page_bytes = 4096;

/* What of the space is ours: committed, in ascending order, no two adjacent; all of it where it is
 * reserved. Others may map memory in the rest (V8 spreads its pages over all addresses), and that is
 * theirs. Callers of commit hold locks that the collector takes before it stops the world, so the
 * collector finds the table whole. */
enum { MAX_PIECES = 512 };
static gl_os_piece pieces[MAX_PIECES];
static size_t n_pieces;
static gl_lock pieces_lock = GL_LOCK_INIT(GL_RANK_OS);

static uintptr_t space_start; /* written by gl_os_space_init() only */
static size_t space_bytes;
static bool is_reserved;

/* Test hook. */
static volatile gl_word inject_nth, inject_for_ever, inject_count;
static gl_os_move_fault move_fault;

/* The first piece that ends at or after the address. */
static size_t piece_at(uintptr_t address)
{
    size_t low = 0, high = n_pieces;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pieces[middle].end < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void remove_piece(size_t i)
{
    n_pieces--;
    __builtin_memmove(&pieces[i], &pieces[i + 1], (n_pieces - i) * sizeof pieces[0]);
}

static bool insert_piece(size_t i, uintptr_t start, uintptr_t end)
{
    if (n_pieces == MAX_PIECES)
        return false;
    __builtin_memmove(&pieces[i + 1], &pieces[i], (n_pieces - i) * sizeof pieces[0]);
    pieces[i] = (gl_os_piece){start, end};
    n_pieces++;
    return true;
}

static bool add_piece(uintptr_t start, uintptr_t end)
{
    size_t i = piece_at(start);
    if (i == n_pieces || pieces[i].start > end)
        return insert_piece(i, start, end);
    pieces[i].start = start < pieces[i].start ? start : pieces[i].start;
    pieces[i].end = end > pieces[i].end ? end : pieces[i].end;
    while (i + 1 < n_pieces && pieces[i + 1].start <= pieces[i].end) {
        if (pieces[i + 1].end > pieces[i].end)
            pieces[i].end = pieces[i + 1].end;
        remove_piece(i + 1);
    }
    return true;
}

/* The range lies inside of one piece. Without room to split it, the rest counts as ours: it is not
 * mapped, or somebody else's that we then overlook. */
static void subtract_piece(uintptr_t start, uintptr_t end)
{
    size_t i = piece_at(end);
    if (i == n_pieces || pieces[i].start > start)
        return;
    uintptr_t old_end = pieces[i].end;
    if (start > pieces[i].start && end < old_end) {
        if (insert_piece(i + 1, end, old_end))
            pieces[i].end = start;
    } else if (start > pieces[i].start) {
        pieces[i].end = start;
    } else if (end < old_end) {
        pieces[i].start = end;
    } else {
        remove_piece(i);
    }
}

static bool try_map(uintptr_t start, size_t bytes, int protection, int flags, long *error)
{
    long r = gl_syscall6(SYS_mmap, (long)start, (long)bytes, protection,
                         MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    *error = 0;
    if (gl_syscall_failed(r)) {
        *error = -r;
        return false;
    }
    if ((uintptr_t)r == start)
        return true;
    /* A kernel before 4.17, or a tool such as valgrind, took the address for a wish. */
    gl_syscall3(SYS_munmap, r, (long)bytes, 0);
    *error = EEXIST;
    return false;
}

static void unmap(uintptr_t start, size_t bytes)
{
    gl_syscall3(SYS_munmap, (long)start, (long)bytes, 0);
}

static bool is_page_free(uintptr_t at)
{
    long error;
    if (!try_map(at, gl_os_page_bytes, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE, &error))
        return false;
    unmap(at, gl_os_page_bytes);
    return true;
}

/* True if nobody has a mapping in the range, as far as that can be told: under RLIMIT_AS the whole
 * range cannot be mapped even for a moment, and then its ends stand for it. */
static bool is_range_free(uintptr_t start, size_t bytes)
{
    long error;
    if (try_map(start, bytes, PROT_NONE, MAP_FIXED_NOREPLACE | MAP_NORESERVE, &error)) {
        unmap(start, bytes);
        return true;
    }
    if (error != ENOMEM)
        return false;
    return is_page_free(start) && is_page_free(start + bytes - gl_os_page_bytes);
}

static uintptr_t find_unreserved(size_t bytes)
{
    if (bytes > BASE_END - BASE_LOWEST)
        return 0;
    size_t n_slots = (BASE_END - BASE_LOWEST - bytes) / GIB + 1;
    uint64_t state = gl_random_seed();
    for (int i = 0; i < CANDIDATES; i++) {
        uintptr_t base = gl_round_up(BASE_LOWEST, GIB) + gl_random_next(&state) % n_slots * GIB;
        if (base + bytes <= BASE_END && is_range_free(base, bytes))
            return base;
    }
    return 0;
}

static void keep_out_of_core_dumps(uintptr_t start, size_t bytes)
{
    gl_syscall3(SYS_madvise, (long)start, (long)bytes, MADV_DONTDUMP);
}

static uintptr_t find_reserved(size_t bytes)
{
    if (bytes > SIZE_MAX - GIB)
        return 0;
    long r = gl_syscall6(SYS_mmap, 0, (long)(bytes + GIB), PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (gl_syscall_failed(r))
        return 0;
    uintptr_t whole = (uintptr_t)r;
    uintptr_t base = gl_round_up(whole, GIB);
    if (base > whole)
        unmap(whole, base - whole);
    if (base + bytes < whole + bytes + GIB)
        unmap(base + bytes, whole + GIB - base);
    keep_out_of_core_dumps(base, bytes);
    return base;
}

void *gl_os_space_init(size_t bytes)
{
    gl_check(space_start == 0, (void *)space_start);
    gl_check(bytes > 0 && bytes % GIB == 0, NULL);
    gl_os_page_bytes = getauxval(AT_PAGESZ);
    uintptr_t base = find_unreserved(bytes);
    if (base == 0) {
        base = find_reserved(bytes);
        is_reserved = base != 0;
    }
    if (base == 0)
        return NULL;
    space_start = base;
    space_bytes = bytes;
    if (is_reserved)
        add_piece(base, base + bytes);
    return (void *)base;
}

bool gl_os_space_is_reserved(void) { return is_reserved; }

void gl_os_space_range(uintptr_t *start, uintptr_t *end)
{
    *start = space_start;
    *end = space_start + space_bytes;
}

size_t gl_os_space_pieces(const gl_os_piece **out)
{
    *out = pieces;
    return n_pieces;
}

static bool is_in_space(const void *start, size_t bytes)
{
    uintptr_t offset = (uintptr_t)start - space_start;
    return offset < space_bytes && bytes <= space_bytes - offset &&
           ((uintptr_t)start | bytes) % gl_os_page_bytes == 0;
}

static bool is_failure_injected(void)
{
    size_t nth = gl_load_relaxed(&inject_nth);
    if (GL_LIKELY(nth == 0))
        return false;
    size_t count = gl_add_relaxed(&inject_count, 1) + 1;
    return gl_load_relaxed(&inject_for_ever) ? count >= nth : count % nth == 0;
}

bool gl_os_commit(void *start, size_t bytes)
{
    gl_debug(is_in_space(start, bytes), start);
    if (is_failure_injected())
        return false;
    long error;
    uintptr_t at = (uintptr_t)start;
    gl_lock_acquire(&pieces_lock);
    bool is_done = try_map(at, bytes, PROT_READ | PROT_WRITE,
                           is_reserved ? MAP_FIXED : MAP_FIXED_NOREPLACE, &error);
    if (is_done && !add_piece(at, at + bytes)) {
        unmap(at, bytes);
        is_done = false;
    }
    gl_lock_release(&pieces_lock);
    return is_done;
}

void gl_os_purge(void *start, size_t bytes)
{
    gl_debug(is_in_space(start, bytes), start);
    if (gl_syscall3(SYS_madvise, (long)start, (long)bytes, MADV_DONTNEED) == 0)
        return;
    /* Locked in memory (mlockall): the pages stay, but must read as zero. */
    __builtin_memset(start, 0, bytes);
}

bool gl_os_decommit(void *start, size_t bytes)
{
    gl_debug(is_in_space(start, bytes), start);
    if (is_reserved) {
        long error;
        if (try_map((uintptr_t)start, bytes, PROT_NONE, MAP_FIXED | MAP_NORESERVE, &error)) {
            keep_out_of_core_dumps((uintptr_t)start, bytes);
            return true;
        }
    } else if (gl_syscall3(SYS_munmap, (long)start, (long)bytes, 0) == 0) {
        gl_lock_acquire(&pieces_lock);
        subtract_piece((uintptr_t)start, (uintptr_t)start + bytes);
        gl_lock_release(&pieces_lock);
        return true;
    }
    gl_os_purge(start, bytes);
    return false;
}

void gl_os_prefault(void *start, size_t bytes)
{
    enum { POPULATE_WRITE = 23 }; /* MADV_POPULATE_WRITE, Linux 5.14; before: EINVAL */
    static volatile gl_word is_unknown;
    gl_debug(is_in_space(start, bytes), start);
    if (gl_load_relaxed(&is_unknown))
        return;
    if (gl_syscall3(SYS_madvise, (long)start, (long)bytes, POPULATE_WRITE) == -EINVAL)
        gl_store_relaxed(&is_unknown, 1);
}

static bool map_again(uintptr_t start, size_t bytes, bool may_be_mapped)
{
    long error;
    bool is_ours = try_map(start, bytes, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE, &error) ||
                   (may_be_mapped && error == EEXIST);
    if (!is_ours)
        subtract_piece(start, start + bytes);
    return is_ours;
}

/* For the tests: as if somebody else were faster, or memory short. */
static bool lose(uintptr_t start, size_t bytes)
{
    unmap(start, bytes);
    subtract_piece(start, start + bytes);
    return false;
}

/* The kernel unmaps the target before it looks whether it can move, and the source afterwards; in
 * between somebody else may map there. It refuses a range of more than one mapping. A reserved space
 * stays as it is: there the kernel itself may place others in the gap. */
gl_os_move_result gl_os_move(void *from, size_t bytes, void *to, size_t to_bytes)
{
    gl_debug(is_in_space(from, bytes), from);
    gl_debug(is_in_space(to, to_bytes), to);
    if (is_reserved || move_fault == GL_OS_MOVE_IS_REFUSED)
        return GL_OS_MOVE_REFUSED;
    gl_lock_acquire(&pieces_lock);
    long r = move_fault == GL_OS_MOVE_LOSES_TARGET
                 ? -ENOMEM
                 : gl_syscall6(SYS_mremap, (long)from, (long)bytes, (long)to_bytes,
                               MREMAP_MAYMOVE | MREMAP_FIXED, (long)to, 0);
    bool is_moved = !gl_syscall_failed(r);
    uintptr_t gap = is_moved ? (uintptr_t)from : (uintptr_t)to;
    size_t gap_bytes = is_moved ? bytes : to_bytes;
    bool is_ours = move_fault == GL_OS_MOVE_WORKS ? map_again(gap, gap_bytes, !is_moved)
                                                  : lose(gap, gap_bytes);
    gl_lock_release(&pieces_lock);
    if (is_moved)
        return is_ours ? GL_OS_MOVED : GL_OS_MOVED_LOST_SOURCE;
    return is_ours ? GL_OS_MOVE_REFUSED : GL_OS_MOVE_LOST_TARGET;
}

bool gl_os_renew(void *start, size_t bytes)
{
    long error;
    gl_debug(is_in_space(start, bytes), start);
    return try_map((uintptr_t)start, bytes, PROT_READ | PROT_WRITE, MAP_FIXED, &error);
}

void gl_os_inject_move_fault(gl_os_move_fault fault) { move_fault = fault; }

void gl_os_advise_huge(void *start, size_t bytes, bool is_wanted)
{
    gl_debug(is_in_space(start, bytes), start);
    gl_syscall3(SYS_madvise, (long)start, (long)bytes,
                is_wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

bool gl_os_is_mapped(const void *p)
{
    uintptr_t page = gl_round_down((uintptr_t)p, gl_os_page_bytes);
    unsigned char residency;
    long r = gl_syscall3(SYS_mincore, (long)page, 1, (long)&residency);
    if (r == -ENOMEM)
        return false;
    if (r == 0 || r == -EAGAIN)
        return true;
    /* A filter of system calls refuses mincore. */
    return gl_syscall3(SYS_msync, (long)page, (long)gl_os_page_bytes, MS_ASYNC) == 0;
}

void gl_os_inject_commit_failure(uint64_t nth, bool for_ever)
{
    gl_store_relaxed(&inject_count, 0);
    gl_store_relaxed(&inject_for_ever, for_ever);
    gl_store_relaxed(&inject_nth, nth);
}
