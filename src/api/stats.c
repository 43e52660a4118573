/* SPDX-License-Identifier: MIT */
/*
 * api/stats.c - gc_get_stats(), and the same as a line of text.
 *
 * THE LINE of stats_file: `key=value` separated by blanks; times in nanoseconds, sizes in bytes;
 * keys may be added at the end. It is appended by one write(), so that lines of several processes
 * in one file stay whole. It is written when a process ends by exit() or by returning from main().
 */
#include "api/stats.h"

#include <errno.h>
#include <string.h>

#include <gleaner/gc.h>

#include "api/options.h"
#include "api/start.h"
#include "api/write.h"
#include "base/fmt.h"
#include "base/knobs.h"
#include "collect/collect.h"
#include "heap/heap.h"
#include "os/system.h"

static void fill(gc_stats *stats)
{
    gl_heap_counts heap;
    gl_heap_count(&heap);
    memset(stats, 0, sizeof *stats);
    gl_collect_fill_stats(stats);
    stats->live_bytes = heap.live_bytes;
    stats->live_objects = heap.live_objects;
    stats->heap_bytes = heap.heap_bytes;
    stats->retained_free_bytes = heap.free_retained_bytes;
    stats->returned_bytes = heap.returned_bytes;
    stats->metadata_bytes = heap.metadata_bytes;
    stats->quarantined_bytes = heap.quarantined_bytes;
    stats->rss_bytes = gl_os_rss_bytes();
    stats->allocated_bytes = gl_load_relaxed(&gl_heap.allocated_bytes);
}

int gc_get_stats(gc_stats *stats)
{
    size_t size = stats->size;
    if (size < sizeof stats->size) {
        errno = EINVAL;
        return -1;
    }
    gc_stats all;
    memset(&all, 0, sizeof all);
    if (gl_start_ensure()) {
        fill(&all);
    }
    all.size = size;
    memcpy(stats, &all, size < sizeof all ? size : sizeof all);
    return 0;
}

/* ---- As a line ------------------------------------------------------------------------------ */

static void add(gl_fmt *line, const char *key, uint64_t value)
{
    gl_fmt_str(line, " ");
    gl_fmt_str(line, key);
    gl_fmt_str(line, "=");
    gl_fmt_dec(line, value);
}

static void compose(gl_fmt *line, const gc_stats *stats)
{
    uint64_t collections = 0, collected = 0;
    for (int g = 0; g < 3; g++) {
        collections += stats->generations[g].collections;
        collected += stats->generations[g].collected;
    }
    static const char *const modes[] = {" mode=collect", " mode=malloc", " mode=safe"};
    gl_write_begin(line);
    gl_fmt_str(line, modes[gl_options.mode]);
    add(line, "collections", collections);
    add(line, "reclaimed_objects", collected);
    add(line, "reclaimed_bytes", stats->reclaimed_bytes);
    add(line, "live_bytes", stats->live_bytes);
    add(line, "live_objects", stats->live_objects);
    add(line, "heap_bytes", stats->heap_bytes);
    add(line, "metadata_bytes", stats->metadata_bytes);
    add(line, "returned_bytes", stats->returned_bytes);
    add(line, "rss_bytes", stats->rss_bytes);
    add(line, "pause_count", stats->pause_count);
    add(line, "pause_max_ns", stats->pause_max_ns);
    add(line, "pause_p99_ns", stats->pause_p99_ns);
    add(line, "pause_total_ns", stats->pause_total_ns);
    add(line, "skipped", stats->skipped);
    add(line, "quarantined_bytes", stats->quarantined_bytes);
    add(line, "condemned_objects", stats->condemned_objects);
    add(line, "condemned_bytes", stats->condemned_bytes);
    add(line, "exempt_objects", stats->exempt_objects);
    add(line, "exempt_bytes", stats->exempt_bytes);
    add(line, "hidden_uses", stats->hidden_uses);
    add(line, "keeps_lost", stats->keeps_lost);
    gl_fmt_str(line, "\n");
}

void gl_stats_write_file(void)
{
    gl_knob_text path;
    gl_options_copy_text(&path, &gl_options.stats_file);
    if (path.text[0] == '\0') {
        return;
    }
    gc_stats stats;
    fill(&stats);
    gl_fmt line;
    compose(&line, &stats);
    gl_write_append(path.text, &line);
}
