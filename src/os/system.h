/* SPDX-License-Identifier: MIT */
/* os/system.h - what the machine says of itself: clocks, limits, resident memory, the program. */
#ifndef GL_OS_SYSTEM_H
#define GL_OS_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t gl_os_now_ns(void);      /* monotonic */
uint64_t gl_os_coarse_ns(void);   /* the same to some milliseconds, in 5 ns instead of 22 */
uint64_t gl_os_coarse_step_ns(void); /* how far the coarse clock may be behind */
uint64_t gl_os_cpu_ns(void);      /* processor time of the process so far */

/* The memory limit of the process's cgroup (v2 memory.max up the tree, or v1
 * memory.limit_in_bytes); SIZE_MAX if there is none or it cannot be told. */
size_t gl_os_cgroup_limit_bytes(void);

/* Resident bytes of the process; 0 where /proc is missing. */
uint64_t gl_os_rss_bytes(void);

size_t gl_os_physical_bytes(void);
unsigned gl_os_processors(void); /* that this process may run on; at least 1 */

/* How the process has confined itself: 0 not, 1 strictly, 2 by filters; -1 where /proc is missing. */
int gl_os_seccomp_mode(void);

/* True in a set-uid, set-gid or otherwise privileged start (AT_SECURE). */
bool gl_os_is_secure(void);

/* The name of the program (last part), cut to the buffer; "" if unknown. */
void gl_os_program_name(char *buffer, size_t bytes);

#endif
