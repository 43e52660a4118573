/* SPDX-License-Identifier: MIT */
/* os/unwind.c - see unwind.h. */
#include "os/unwind.h"

#include <dlfcn.h>
#include <unwind.h>

#include "base/atomic.h"

typedef __typeof__(_Unwind_Backtrace) backtrace_function;
typedef __typeof__(_Unwind_GetIP) get_ip_function;
typedef __typeof__(_Unwind_GetCFA) get_cfa_function;

static struct {
    volatile gl_word state;
    backtrace_function *backtrace;
    get_ip_function *get_ip;
    get_cfa_function *get_cfa;
} unwinder;

enum { NOT_LOADED, WRITING, LOADED };
enum { SPINS_MAX = 1000000 }; /* in the child of a fork, the one that writes may not exist */

static void *look_up(void *library, const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    return found || !library ? found : dlsym(library, name);
}

/* Several threads may look for it at once; one of them writes down what all have found. */
bool gl_unwind_load(void)
{
    if (gl_load_acquire(&unwinder.state) == LOADED) {
        return true;
    }
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
    void *backtrace_found = look_up(library, "_Unwind_Backtrace");
    void *get_ip_found = look_up(library, "_Unwind_GetIP");
    void *get_cfa_found = look_up(library, "_Unwind_GetCFA");
    if (!backtrace_found || !get_ip_found || !get_cfa_found) {
        return false;
    }
    if (gl_cas_full(&unwinder.state, NOT_LOADED, WRITING)) {
        unwinder.backtrace = (backtrace_function *)backtrace_found;
        unwinder.get_ip = (get_ip_function *)get_ip_found;
        unwinder.get_cfa = (get_cfa_function *)get_cfa_found;
        gl_store_release(&unwinder.state, LOADED);
    }
    for (int i = 0; i < SPINS_MAX && gl_load_acquire(&unwinder.state) != LOADED; i++) {
        gl_spin_hint();
    }
    return gl_load_acquire(&unwinder.state) == LOADED;
}

typedef struct visit {
    bool (*fn)(uintptr_t pc, uintptr_t bottom, void *arg);
    void *arg;
} visit;

static _Unwind_Reason_Code visit_frame(struct _Unwind_Context *context, void *arg)
{
    const visit *v = arg;
    bool goes_on = v->fn(unwinder.get_ip(context), unwinder.get_cfa(context), v->arg);
    return goes_on ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

void gl_unwind_walk(bool (*fn)(uintptr_t pc, uintptr_t bottom, void *arg), void *arg)
{
    visit v = {fn, arg};
    if (gl_unwind_load()) {
        unwinder.backtrace(visit_frame, &v);
    }
}
