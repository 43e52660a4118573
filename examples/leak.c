/* SPDX-License-Identifier: MIT */
/*
 * A leak that no collector can cure, how it is found, and two cures.
 *
 * A server puts each session on a global list and forgets to take it off. The list leads to the
 * sessions, so they are not garbage: gc_collect() rightly keeps them, and the debug flags that show
 * what is unreachable (GC_DEBUG_SAVEALL, gc_get_garbage) show nothing of them. What gives such a
 * leak away is growth: do the same work in rounds, collect after each, and look at how many objects
 * live. A count that rises by the same number in each round is a leak, and the number says what
 * leaks: so many per request.
 *
 * The cures: a list that refers weakly (it sees who is there, and keeps nobody there), and a list
 * of bounded length.
 *
 *     cc leak.c support.c $(pkg-config --cflags --libs gleaner)
 *
 * The lists are static variables, which are roots; all that they lead to is from gc_malloc().
 * libc's malloc(), whose memory is not scanned here, serves stdout alone.
 */
#include "support.h"

#include <gleaner/weakref.h>

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 6, SESSION_BYTES = 200, BOUND = 100 };

static const char help[] = "usage: leak [REQUESTS]\n"
                           "Serves six rounds of REQUESTS requests (default 5000) with three kinds "
                           "of session list, and shows\n"
                           "how many objects live after each round.\n";

struct session {
    size_t number;
    char *data;
};

static struct session *open_session(size_t number)
{
    struct session *session = checked(gc_malloc(sizeof *session));
    session->number = number;
    session->data = checked(gc_malloc_atomic(SESSION_BYTES));
    memset(session->data, (int)(number & 0xff), SESSION_BYTES);
    return session;
}

/* ---- The leak: whoever was ever on the list stays on it ------------------------------------- */

struct entry {
    struct entry *next;
    struct session *session;
};

static struct entry *all_sessions;

static void remember_for_ever(struct session *session)
{
    struct entry *entry = checked(gc_malloc(sizeof *entry));
    entry->session = session;
    entry->next = all_sessions;
    all_sessions = entry;
}

/* ---- The first cure: weak references, and entries that go when they are empty --------------- */

struct weak_entry {
    struct weak_entry *next;
    gc_weakref *session;
};

static struct weak_entry *present_sessions;

static void remember_weakly(struct session *session)
{
    struct weak_entry *entry = checked(gc_malloc(sizeof *entry));
    entry->session = checked(gc_weakref_new(session, NULL, NULL));
    entry->next = present_sessions;
    present_sessions = entry;
}

/* An entry that leaves the list forgets its successor: should a stray word on the stack look like a
 * pointer to it, it is kept alone, and not with all that stood behind it. */
static size_t drop_empty_entries(void)
{
    size_t n_present = 0;
    for (struct weak_entry **link = &present_sessions; *link;) {
        struct weak_entry *entry = *link;
        if (gc_weakref_get(entry->session)) {
            n_present++;
            link = &entry->next;
        } else {
            *link = entry->next;
            entry->next = NULL;
        }
    }
    return n_present;
}

/* ---- The second cure: the last BOUND sessions, and no more ---------------------------------- */

static struct session *last_sessions[BOUND];

static void remember_the_last(struct session *session)
{
    last_sessions[session->number % BOUND] = session;
}

/* ---- Measuring ------------------------------------------------------------------------------ */

static void serve_round(void (*remember)(struct session *), size_t round, size_t n_requests)
{
    for (size_t i = 0; i < n_requests; i++) {
        remember(open_session(round * n_requests + i));
    }
}

/* Objects and bytes that live when the round is over and what nobody needs is gone. */
static gc_stats live_after_collection(void)
{
    gc_collect();
    if (present_sessions) {
        drop_empty_entries();
        gc_collect(); /* the entries themselves */
    }
    return stats_now();
}

/* Serves all rounds; `growth` gets how many objects more there are after each. */
static void run(const char *name, void (*remember)(struct session *), size_t n_requests,
                long long growth[ROUNDS])
{
    uint64_t before = live_after_collection().live_objects;
    printf("\n%s\n  round   live objects   live bytes   objects more\n", name);
    for (size_t round = 0; round < ROUNDS; round++) {
        serve_round(remember, round, n_requests);
        gc_stats stats = live_after_collection();
        growth[round] = (long long)(stats.live_objects - before);
        before = stats.live_objects;
        printf("  %5zu   %12llu   %10llu   %+12lld\n", round + 1,
               (unsigned long long)stats.live_objects, (unsigned long long)stats.live_bytes,
               growth[round]);
    }
}

/* The growth of every round from the second on is about `expected`. A few objects more or less are
 * the collector's due: it may take a stray word for a pointer. */
static void expect_growth(const char *name, const long long growth[ROUNDS], long long expected,
                          long long n_requests)
{
    long long tolerance = 50 + n_requests / 10;
    for (int round = 1; round < ROUNDS; round++) {
        expect(llabs(growth[round] - expected) <= tolerance,
               "%s: %+lld objects in round %d, instead of about %lld", name, growth[round],
               round + 1, expected);
    }
}

/* Unreachable objects, kept for inspection instead of reclaimed: the leaked ones are not among
 * them. */
static size_t count_garbage(void)
{
    gc_set_debug(GC_DEBUG_SAVEALL);
    gc_collect();
    size_t n_garbage = gc_get_garbage(NULL, 0);
    gc_set_debug(0);
    gc_clear_garbage();
    return n_garbage;
}

int main(int argc, char **argv)
{
    long long n_requests = (long long)count_argument(argc, argv, help, 5000, 100, 1000000);
    long long leaking[ROUNDS], weak[ROUNDS], bounded[ROUNDS];

    run("A global list, never emptied:", remember_for_ever, (size_t)n_requests, leaking);
    expect_growth("the leak", leaking, 3 * n_requests, n_requests);
    size_t n_garbage = count_garbage();
    printf(
        "  In each round three objects more for each of %lld requests: session, data, list entry.\n"
        "  Among what is unreachable (gc_get_garbage): %zu objects.\n",
        n_requests, n_garbage);
    expect(n_garbage < 50, "the leaked objects are not unreachable");
    gc_del(all_sessions); /* the end of this leak: what it held goes with the next collection */

    run("Cured by weak references:", remember_weakly, (size_t)n_requests, weak);
    expect_growth("weak references", weak, 0, n_requests);
    printf("  Still on the list: %zu sessions.\n", drop_empty_entries());

    run("Cured by a bound of 100 sessions:", remember_the_last, (size_t)n_requests, bounded);
    expect_growth("a bounded list", bounded, 0, n_requests);
    expect(last_sessions[BOUND - 1] != NULL, "the last sessions are still there");
    return finish();
}
