// SPDX-License-Identifier: MIT
// tests/api/thrown.cc - destructors of counted objects that leave by an exception, or end their thread. The
// object is left to the tracer; what was on its way, and what comes later, goes as ever.
#include <cstdio>
#include <cstdlib>
#include <pthread.h>

#include <gleaner/gc.h>
#include <gleaner/refcount.h>

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

} // namespace

int main()
{
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
    return n_faults != 0;
}
