/* SPDX-License-Identifier: MIT */
/*
 * api/errors.c - misuse of a call: what kind it is, who is told; and what is done when there is no
 * memory.
 *
 * The handlers are called with no lock held. Both pairs (handler, argument) are protected by
 * gl_api_lock.
 */
#include <errno.h>
#include <stdlib.h>

#include "api/findings.h"
#include "api/start.h"
#include "base/fmt.h"
#include "base/knobs.h"
#include "collect/collect.h"
#include "collect/finalize.h"
#include "heap/heap.h"
#include "heap/quarantine.h"
#include "os/memory.h"
#include "os/regions.h"

/* A handler that always says "try again" is not believed for ever. */
enum { OOM_ATTEMPTS_MAX = 100 };

static struct {
    gc_error_handler error;
    void *error_arg;
    gc_oom_handler oom;
    void *oom_arg;
} handlers;

/* ---- What is wrong with the pointer --------------------------------------------------------- */

typedef struct diagnosis {
    gc_error_code code;
    const char *why; /* one clause */
} diagnosis;

/* A small block: is this where one of its objects begins? */
static diagnosis diagnose_slot(gl_desc desc, uint32_t offset)
{
    uint32_t bytes = (uint32_t)desc.granules << GL_GRANULE_SHIFT;
    uint32_t number = gl_object_number(desc, offset);
    if (number * bytes == offset && offset + bytes <= GL_BLOCK_BYTES) {
        return (diagnosis){GC_ERROR_DOUBLE_FREE, "the object is free already"};
    }
    return (diagnosis){GC_ERROR_MISALIGNED, "no object begins there, nor is one around it"};
}

static diagnosis diagnose_heap(uintptr_t address)
{
    gl_object object;
    if (gl_heap_find(address, &object)) {
        if (object.start == address) {
            /* Alive again: another thread got the slot between the check and now. */
            return (diagnosis){GC_ERROR_DOUBLE_FREE, "the object was free, and is in use again"};
        }
        return (diagnosis){GC_ERROR_INTERIOR, "it points inside an object, not to its start"};
    }
    uintptr_t offset = address - gl_heap.base;
    gl_desc desc = gl_heap.descs[offset >> GL_BLOCK_SHIFT];
    if (desc.granules != 0) {
        return diagnose_slot(desc, (uint32_t)(offset & (GL_BLOCK_BYTES - 1)));
    }
    /* Free blocks remember nothing. Where an object could have begun, that is the likely story. */
    if (address % GL_GRANULE_BYTES == 0) {
        return (diagnosis){GC_ERROR_DOUBLE_FREE, "the object is free already, and so is its block"};
    }
    return (diagnosis){GC_ERROR_WILD, "a part of the heap without objects"};
}

/* Mapped, and not ours: says whose, as far as the list of mappings tells. */
static const char *describe_foreign(uintptr_t address)
{
    static gl_lock lock = GL_LOCK_INIT(GL_RANK_API);
    static gl_regions regions; /* its memory is kept for the next time */
    const char *why = "memory that does not come from this library";
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    if (!gl_lock_try(&lock)) {
        return why; /* another thread is at it, or was when the process forked */
    }
    const gl_region *region = gl_regions_read(&regions) ? gl_regions_find(&regions, address) : NULL;
    if (region && address >= frame && frame >= region->start && frame < region->end) {
        why = "memory on the stack of this thread";
    } else if (region && region->is_stack) {
        why = "memory on the stack of the main thread";
    } else if (region && region->is_file) {
        why = "static data, or a mapped file";
    }
    gl_lock_release(&lock);
    return why;
}

static diagnosis diagnose(const void *address)
{
    if (gl_heap_is_ready() && gl_heap_contains((uintptr_t)address)) {
        return diagnose_heap((uintptr_t)address);
    }
    if (gl_os_is_mapped(address)) {
        return (diagnosis){GC_ERROR_FOREIGN, describe_foreign((uintptr_t)address)};
    }
    return (diagnosis){GC_ERROR_WILD, "nothing is mapped there"};
}

/* ---- Misuse --------------------------------------------------------------------------------- */

static const char *name_of(gc_error_code code)
{
    switch (code) {
    case GC_ERROR_DOUBLE_FREE:
        return "double free";
    case GC_ERROR_INTERIOR:
        return "interior pointer";
    case GC_ERROR_MISALIGNED:
        return "misaligned pointer";
    case GC_ERROR_FOREIGN:
        return "foreign pointer";
    case GC_ERROR_WILD:
        return "wild pointer";
    case GC_ERROR_OVER_RELEASE:
        return "released too often";
    case GC_ERROR_CORRUPTION:
        return "heap corruption";
    case GC_ERROR_USE_AFTER_RELEASE:
        return "use after release";
    }
    return "error";
}

/* "gleaner: gc_free(0x7f0012345670): double free: the object is free already" */
static void write_error(const gc_error *error)
{
    gl_fmt line;
    gl_fmt_init(&line);
    gl_fmt_str(&line, "gleaner: ");
    gl_fmt_str(&line, error->call);
    gl_fmt_str(&line, "(");
    gl_fmt_hex(&line, (uintptr_t)error->address);
    gl_fmt_str(&line, "): ");
    gl_fmt_str(&line, name_of(error->code));
    gl_fmt_str(&line, ": ");
    gl_fmt_str(&line, error->why);
    gl_fmt_str(&line, "\n");
    gl_fmt_write(&line, 2);
}

static bool is_freed_again(gc_error_code code)
{
    return code == GC_ERROR_DOUBLE_FREE || code == GC_ERROR_OVER_RELEASE;
}

/* In mode `safe` a second free() does no harm: the object is still in quarantine, for the caller has a
 * pointer to it. That is said, at first. */
static void handle(const gc_error *error)
{
    enum { SAID_MAX = 20 };
    static volatile gl_word n_said;
    if (!gl_quarantine_is_on() || !is_freed_again(error->code)) {
        write_error(error);
        abort();
    }
    if (gl_add_relaxed(&n_said, 1) < SAID_MAX) {
        write_error(error);
    }
}

static void tell(const char *call, const void *address, diagnosis found)
{
    gc_error error = {
        .size = sizeof error,
        .code = found.code,
        .call = call,
        .address = address,
        .why = found.why,
    };
    gl_findings_misuse(&error, name_of(error.code));
    gl_lock_acquire(&gl_api_lock);
    gc_error_handler handler = handlers.error;
    void *arg = handlers.error_arg;
    gl_lock_release(&gl_api_lock);
    if (handler) {
        handler(&error, arg);
    } else {
        handle(&error);
    }
}

void gl_hook_misuse(const char *call, const void *address) { tell(call, address, diagnose(address)); }

void gl_hook_misuse_of_count(const char *call, const void *address, bool is_release)
{
    diagnosis found = diagnose(address);
    if (found.code == GC_ERROR_DOUBLE_FREE) {
        found.code = is_release ? GC_ERROR_OVER_RELEASE : GC_ERROR_USE_AFTER_RELEASE;
        found.why = "the last reference to the object is gone already";
    }
    tell(call, address, found);
}

gc_error_handler gc_set_error_handler(gc_error_handler handler, void *arg)
{
    gl_lock_acquire(&gl_api_lock);
    gc_error_handler previous = handlers.error;
    handlers.error = NULL; /* a fork at this point gets the default, not a wrong argument */
    handlers.error_arg = arg;
    handlers.error = handler;
    gl_lock_release(&gl_api_lock);
    return previous;
}

/* ---- No memory ------------------------------------------------------------------------------ */

gc_oom_handler gc_set_oom_handler(gc_oom_handler handler, void *arg)
{
    gl_lock_acquire(&gl_api_lock);
    gc_oom_handler previous = handlers.oom;
    handlers.oom = NULL;
    handlers.oom_arg = arg;
    handlers.oom = handler;
    gl_lock_release(&gl_api_lock);
    return previous;
}

static bool ask_handler(size_t bytes)
{
    gl_lock_acquire(&gl_api_lock);
    gc_oom_handler handler = handlers.oom;
    void *arg = handlers.oom_arg;
    gl_lock_release(&gl_api_lock);
    return handler && handler(bytes, arg) != 0;
}

/* What the program lost is only reclaimed by the third collection that does not find it. */
static bool collect_what_is_left(unsigned attempt)
{
    gl_cycle_report report;
    if (gl_options.mode == GL_MODE_MALLOC ||
        gl_collect(GC_REASON_NO_MEMORY, &report) != GL_CYCLE_DONE) {
        return false;
    }
    return attempt == 0 || report.lost.ripe_objects > 0 || report.lost.condemned_objects > 0;
}

/* First what costs nobody anything, then the program's handler, as long as it says that it helped:
 * a 0 ends the request, so it is asked no more. */
bool gl_hook_no_memory(size_t bytes, unsigned attempt, bool may_finalize)
{
    if (attempt < gl_options.lost_collections && collect_what_is_left(attempt)) {
        return true;
    }
    if (may_finalize && attempt < OOM_ATTEMPTS_MAX && gl_finalize_run_if_due()) {
        return true;
    }
    if (attempt <= gl_options.lost_collections && gl_heap_release_os_memory() != 0) {
        return true;
    }
    return attempt < OOM_ATTEMPTS_MAX && ask_handler(bytes);
}
