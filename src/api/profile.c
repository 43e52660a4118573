/* SPDX-License-Identifier: MIT */
/* api/profile.c - GC_PROFILE: what the macro calls, and the report. */
#include "api/profile.h"

#include <errno.h>

#include <gleaner/scope.h>

#include "api/options.h"
#include "api/start.h"
#include "api/write.h"
#include "base/knobs.h"
#include "base/syscall.h"
#include "profile/profile.h"
#include "profile/records.h"

__attribute__((noinline)) void gc_profile_enter(gc_profile_guard *guard, gc_profile_site *site)
{
    int saved_errno = errno;
    uintptr_t pc = (uintptr_t)__builtin_extract_return_addr(__builtin_return_address(0));
    guard->serial = gl_start_ensure() ? gl_profile_enter(guard, site, pc) : 0;
    errno = saved_errno;
}

void gc_profile_leave(gc_profile_guard *guard)
{
    int saved_errno = errno;
    if (guard->serial) {
        gl_profile_leave(guard, guard->serial);
    }
    errno = saved_errno;
}

int gc_profile_report(int fd)
{
    return gl_profile_write(fd) ? 0 : -1;
}

void gc_profile_reset(void)
{
    gl_record_reset();
}

void gl_profile_write_at_exit(void)
{
    if (!gl_profile_has_any()) {
        return;
    }
    gl_knob_text path;
    gl_options_copy_text(&path, &gl_options.profile_file);
    if (path.text[0] == '\0') {
        gl_profile_write(2);
        return;
    }
    int fd = gl_write_open(path.text);
    if (fd >= 0) {
        if (!gl_profile_write(fd)) {
            gl_write_complain(path.text);
        }
        gl_syscall3(SYS_close, fd, 0, 0);
    }
}
