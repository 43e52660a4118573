/* SPDX-License-Identifier: MIT */
/* os/unwind.c - see unwind.h. */
#include "os/unwind.h"

#include <dlfcn.h>
#include <unwind.h>

#include "base/atomic.h"

typedef __typeof__(_Unwind_Backtrace) backtrace_function;
typedef __typeof__(_Unwind_GetIP) get_ip_function;
typedef __typeof__(_Unwind_GetCFA) get_cfa_function;

/* Each set to one value only, `is_loaded` last. */
static struct {
    volatile gl_word is_loaded;
    backtrace_function *backtrace;
    get_ip_function *get_ip;
    get_cfa_function *get_cfa;
} unwinder;

static void *look_up(void *library, const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    return found || !library ? found : dlsym(library, name);
}

bool gl_unwind_load(void)
{
    if (gl_load_acquire(&unwinder.is_loaded)) {
        return true;
    }
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
    unwinder.backtrace = (backtrace_function *)look_up(library, "_Unwind_Backtrace");
    unwinder.get_ip = (get_ip_function *)look_up(library, "_Unwind_GetIP");
    unwinder.get_cfa = (get_cfa_function *)look_up(library, "_Unwind_GetCFA");
    if (!unwinder.backtrace || !unwinder.get_ip || !unwinder.get_cfa) {
        return false;
    }
    gl_store_release(&unwinder.is_loaded, 1);
    return true;
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
