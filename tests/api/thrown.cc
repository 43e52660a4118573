// SPDX-License-Identifier: MIT
// tests/api/thrown.cc - destructors of counted objects, and finalizers, that leave by an exception, or end
// their thread. The object is left to the tracer; what was on its way, and what comes later, goes as ever.
#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <unistd.h>

#include <gleaner/gc.h>
#include <gleaner/refcount.h>
#include <gleaner/weakref.h>

namespace {

int n_faults, n_ended, n_lists; // n_ended: of the last list

void expect(bool is_true, const char *what)
{
    if (!is_true) {
        std::fprintf(stderr, "thrown: %s\n", what);
        n_faults++;
    }
}

struct node {
    node *next;
    int list;
    bool throws;
};

extern "C" void end_node(void *p)
{
    node *n = static_cast<node *>(p);
    n_ended += n->list == n_lists;
    if (n->throws) {
        throw n_ended;
    }
    gc_release(n->next);
}

extern "C" void end_thread(void *) { pthread_exit(nullptr); }

// A list whose node `at` throws; -1: none does.
node *make_list(int n, int at)
{
    node *head = nullptr;
    n_lists++;
    n_ended = 0;
    for (int i = n - 1; i >= 0; i--) {
        node *made = static_cast<node *>(gc_rc_malloc(sizeof(node), end_node));
        made->next = head;
        made->list = n_lists;
        made->throws = i == at;
        head = made;
    }
    return head;
}

void throw_at(int n, int at)
{
    node *head = make_list(n, at);
    bool is_caught = false;
    try {
        gc_release(head);
    } catch (int) {
        is_caught = true;
    }
    expect(is_caught, "an exception passes through gc_release()");
    expect(n_ended == at + 1, "those before the one that throws have ended");
}

extern "C" void *release_and_end(void *)
{
    gc_release(gc_rc_malloc(40, end_thread));
    expect(false, "a destructor that ends its thread does not return");
    return nullptr;
}

// ---- Finalizers

int n_finalized;

extern "C" void finalize_and_throw(void *, void *arg)
{
    n_finalized++;
    if (arg) {
        throw n_finalized;
    }
}

extern "C" void finalize_and_end_thread(void *, void *)
{
    n_finalized++;
    pthread_exit(nullptr);
}

enum { OBJECTS = 1000, MOST = 950 };

// Every third one throws. In a frame of its own, whose place on the stack is used again.
__attribute__((noinline)) void lose_objects(gc_finalizer_fn fn)
{
    static char truth;
    n_finalized = 0;
    for (int i = 0; i < OBJECTS; i++) {
        gc_finalize(gc_malloc(40), fn, i % 3 == 0 ? &truth : nullptr, 0);
    }
}

__attribute__((noinline)) void clear_stack()
{
    volatile char frame[16384];
    for (char volatile &byte : frame) {
        byte = 0;
    }
}

// What throws is done; the others are still there, for the next who asks.
void throw_from_finalizers()
{
    int n_caught = 0;
    bool is_over = false;
    gc_set_finalizer_policy(GC_FINALIZERS_EXPLICIT); // not where collections come at every turn
    lose_objects(finalize_and_throw);
    clear_stack();
    try {
        gc_set_finalizer_policy(GC_FINALIZERS_ALLOCATING);
        gc_collect();
    } catch (int) {
        n_caught++;
    }
    gc_set_finalizer_policy(GC_FINALIZERS_EXPLICIT);
    while (!is_over) {
        try {
            is_over = gc_run_finalizers(0) == 0;
        } catch (int) {
            n_caught++;
        }
    }
    expect(n_finalized >= MOST && n_finalized <= OBJECTS, "all finalizers run, once each");
    expect(n_caught >= MOST / 3 && n_caught <= OBJECTS / 3 + 1, "each exception comes through");
    expect(gc_collect() < OBJECTS - MOST, "a collection afterwards finds nothing new");
}

extern "C" void *run_finalizers(void *)
{
    gc_run_finalizers(0);
    return nullptr;
}

// Each thread ends in the first finalizer that it runs.
void end_threads_from_finalizers()
{
    gc_set_finalizer_policy(GC_FINALIZERS_EXPLICIT);
    lose_objects(finalize_and_end_thread);
    clear_stack();
    gc_collect();
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_create(&thread, nullptr, run_finalizers, nullptr);
        pthread_join(thread, nullptr);
        expect(n_finalized == i + 1, "one finalizer for each thread");
    }
    gc_set_finalizer_policy(GC_FINALIZERS_ALLOCATING);
}

// The library's own thread is replaced when a finalizer has ended it.
void end_the_librarys_thread()
{
    gc_set_finalizer_policy(GC_FINALIZERS_THREAD);
    lose_objects(finalize_and_end_thread);
    clear_stack();
    for (int i = 0; i < 5000 && __atomic_load_n(&n_finalized, __ATOMIC_ACQUIRE) < 3; i++) {
        gc_collect();
        usleep(1000);
    }
    expect(__atomic_load_n(&n_finalized, __ATOMIC_ACQUIRE) >= 3, "it goes on in another thread");
    gc_set_finalizer_policy(GC_FINALIZERS_EXPLICIT);
}

} // namespace

int main()
{
    throw_from_finalizers();
    end_threads_from_finalizers();
    for (int i = 0; i < 100; i++) {
        throw_at(1 + i, i);
    }
    throw_at(3000, 2000); // from among those that have waited for their turn
    gc_release(make_list(10000, -1));
    expect(n_ended == 10000, "a long list ends after all that");
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_create(&thread, nullptr, release_and_end, nullptr);
        pthread_join(thread, nullptr);
    }
    gc_release(make_list(10000, -1));
    expect(n_ended == 10000, "and once more");
    gc_collect();
    end_the_librarys_thread();
    return n_faults != 0;
}
