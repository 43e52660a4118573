/* SPDX-License-Identifier: MIT */
/* api/init.c - gc_init() and what it takes. */
#include "api/init.h"

#include <errno.h>
#include <string.h>

#include "api/start.h"
#include "collect/collect.h"
#include "config.h"

enum { PERCENT_MAX = 100000 };

bool gl_config_read(const gc_config *config, gc_config *complete)
{
    size_t size_min = offsetof(gc_config, mode) + sizeof config->mode;
    if (config->size < size_min || config->size > sizeof *config) {
        return false;
    }
    memset(complete, 0, sizeof *complete);
    memcpy(complete, config, config->size);
    return (unsigned)complete->mode <= GC_MODE_SAFE && complete->percent <= PERCENT_MAX;
}

static void set_if_given(uint64_t *knob, uint64_t value)
{
    if (value) {
        *knob = value;
    }
}

void gl_config_apply(const gc_config *complete, gl_knobs *knobs, gl_option_faults *faults)
{
    if (complete->mode == GC_MODE_COLLECT) {
        knobs->mode = GL_MODE_COLLECT;
    } else if (complete->mode == GC_MODE_MALLOC) {
        knobs->mode = GL_MODE_MALLOC;
    } else if (complete->mode == GC_MODE_SAFE) {
        knobs->mode = GL_MODE_SAFE;
    }
    if (complete->percent != 0) {
        knobs->percent = complete->percent < 0 ? 0 : (uint64_t)complete->percent;
    }
    set_if_given(&knobs->trigger_bytes, complete->trigger_bytes);
    set_if_given(&knobs->memory_limit, complete->memory_limit_bytes);
    set_if_given(&knobs->heap_max, complete->heap_max_bytes);
    if (complete->options) {
        gl_options_read_list(knobs, complete->options, "gc_init", faults);
    }
}

/* The library runs: changes what can be changed now. The suspend signal and the kind of roots are
 * chosen at the start. */
static int reconfigure(const gc_config *complete)
{
    gl_knobs old = gl_options, new = old;
    gl_option_faults faults = {0, 0};
    gl_config_apply(complete, &new, &faults);
    bool is_safe_wanted = new.mode == GL_MODE_SAFE, is_safe_now = old.mode == GL_MODE_SAFE;
    if (!gl_options_accept(&new, &faults) || is_safe_wanted != is_safe_now) {
        return EINVAL;
    }
    new.suspend_signal = old.suspend_signal;
    new.roots = old.roots;
    gl_options_commit(&new);
    if (new.percent != old.percent || new.mode != old.mode) {
        gl_collect_set_percent(new.percent == 0 ? -1 : (int)new.percent);
    }
    if (new.memory_limit != old.memory_limit) {
        gl_collect_set_memory_limit((size_t)new.memory_limit);
    }
    if (new.fail_every != old.fail_every || new.fail_after != old.fail_after) {
        gl_start_apply_faults();
    }
    gl_collect_repace();
    return 0;
}

int gc_init(const gc_config *config)
{
    gc_config complete;
    if (config && !gl_config_read(config, &complete)) {
        errno = EINVAL;
        return -1;
    }
    bool is_running = false;
    int error = gl_start_with_config(config ? &complete : NULL, &is_running);
    if (error == 0 && is_running && config) {
        error = reconfigure(&complete);
    }
    if (error) {
        errno = error;
        return -1;
    }
    return 0;
}

const char *gc_version(void)
{
    return PACKAGE_VERSION;
}
