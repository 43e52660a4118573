/* SPDX-License-Identifier: MIT */
/*
 * os/memory.h - the platform contract for address space and pages.
 *
 * All memory of the library lies in one range of addresses (the *space*), so that "is this ours?"
 * is one comparison. The space is not reserved if the system lets us choose fixed addresses that
 * nobody else uses: then RLIMIT_AS, overcommit_memory=2 and core dumps see only what is in use.
 * Otherwise (a sanitizer, valgrind, a short address space) it is a PROT_NONE reservation.
 */
#ifndef GL_OS_MEMORY_H
#define GL_OS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a page of the system; at most 64 KiB. 4096 until gl_os_space_init() has asked. */
extern size_t gl_os_page_bytes;

/* Finds address space of `bytes` (a multiple of 1 GiB), aligned to 1 GiB. Tries fixed addresses
 * first, then a reservation. NULL if there is none so large. Called once or, after failure, again
 * with less. */
void *gl_os_space_init(size_t bytes);

/* True if the space is a reservation: under a sanitizer or valgrind, mostly. */
bool gl_os_space_is_reserved(void);

/* The space, [*start, *end); both 0 before there is one. */
void gl_os_space_range(uintptr_t *start, uintptr_t *end);

/* The parts of the space that are ours, ascending; the rest may hold mappings of others. Valid while
 * nobody commits: the world is stopped, or the caller holds the locks of all who do. */
typedef struct gl_os_piece {
    uintptr_t start, end;
} gl_os_piece;
size_t gl_os_space_pieces(const gl_os_piece **pieces);

/* Makes [start, start + bytes) of the space readable and writable; the pages are zero. Page
 * aligned. False (nothing changed) if the system refuses, a foreign mapping is in the way, or a
 * failure is injected. The caller serialises calls for one range. */
bool gl_os_commit(void *start, size_t bytes);

/* Gives the pages back; they read as zero afterwards and stay usable. */
void gl_os_purge(void *start, size_t bytes);

/* Moves the pages behind [from, from + bytes) to [to, to + to_bytes), which is not shorter and does not
 * overlap; both are committed. What was there before is lost, and where no page was moved to or from,
 * memory reads as zero. */
typedef enum gl_os_move_result {
    GL_OS_MOVED,
    GL_OS_MOVED_LOST_SOURCE, /* moved; but `from` could not be committed again and is not ours now */
    GL_OS_MOVE_REFUSED,      /* `from` is as it was; `to` has any content */
    GL_OS_MOVE_LOST_TARGET   /* `from` is as it was; `to` is not ours now */
} gl_os_move_result;
gl_os_move_result gl_os_move(void *from, size_t bytes, void *to, size_t to_bytes);

/* Makes the committed range one with the memory beside it again, after pages were moved there: to the
 * system they belong to where they came from. It is zero then. False: nothing changed. */
bool gl_os_renew(void *start, size_t bytes);

/* Undoes gl_os_commit(). False if the system refuses, as it does when the process has as many
 * mappings as it may have (65,530): then the pages have been given back and read as zero, but the
 * range is still committed. */
bool gl_os_decommit(void *start, size_t bytes);

/* Makes pages that are about to be written resident, with one system call instead of a fault for each.
 * A hint; preserves errno. */
void gl_os_prefault(void *start, size_t bytes);

/* Asks for huge pages behind the range, or against them; a hint. */
void gl_os_advise_huge(void *start, size_t bytes, bool is_wanted);

/* True if at least the page of `p` is mapped in this process (by anybody). No fault is caused. */
bool gl_os_is_mapped(const void *p);

/* Test hook: from now on every nth gl_os_commit() fails; 0 ends it. With `for_ever`, the nth and
 * all after it. */
void gl_os_inject_commit_failure(uint64_t nth, bool for_ever);

/* Test hook: gl_os_move() is refused, or loses what can be lost. */
typedef enum gl_os_move_fault {
    GL_OS_MOVE_WORKS,
    GL_OS_MOVE_IS_REFUSED,
    GL_OS_MOVE_LOSES_SOURCE,
    GL_OS_MOVE_LOSES_TARGET
} gl_os_move_fault;
void gl_os_inject_move_fault(gl_os_move_fault fault);

#endif
