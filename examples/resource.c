/* SPDX-License-Identifier: MIT */
/*
 * Things that are not memory of the collector's - an open file, mapped memory, a block from libc's
 * malloc() - and who gives them back: GC_WITH where the block ends, and a finalizer where that was
 * forgotten, at the next collection or at the end of the process. Each is given back exactly once.
 *
 *     cc resource.c support.c $(pkg-config --cflags --libs gleaner)
 *
 * Blocks from libc's malloc() are not scanned here. That does no harm, for nothing in them points
 * to collected objects: the collected handle points to the block, and not the other way round.
 */
#include "support.h"

#include <gleaner/scope.h>
#include <gleaner/weakref.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char help[] =
    "usage: resource [FORGOTTEN]\n"
    "Opens files and maps memory, forgets to close FORGOTTEN (default 50) of them,\n"
    "and shows that all are given back, each once.\n";

enum { MAPPED_BYTES = 1 << 20, KINDS = 3, MAX_FORGOTTEN = 400 };

/* How a process tells its parent what it gave back: one of these through a pipe, for each. */
struct report {
    size_t number;
    char how; /* 's' scope, 'f' finalizer at a collection, 'e' finalizer at exit */
};

static int report_pipe = -1;
static char how_now = 'f';

/* A collected handle to something foreign. */
struct resource {
    size_t number;
    FILE *file; /* one of these three */
    void *mapped;
    char *block;
    gc_finalizer *finalizer;
};

static void give_back(struct resource *resource, char how)
{
    struct report report = {resource->number, how};
    if (resource->file) {
        fclose(resource->file);
    }
    if (resource->mapped) {
        munmap(resource->mapped, MAPPED_BYTES);
    }
    free(resource->block);
    if (write(report_pipe, &report, sizeof report) != (ssize_t)sizeof report) {
        die("pipe: %s", strerror(errno));
    }
}

static void finalize(void *object, void *arg)
{
    (void)arg;
    give_back(object, how_now);
}

/* Opens what the number says. The finalizer is for the case that nobody closes it. */
static struct resource *open_resource(size_t number)
{
    struct resource *resource = checked(gc_malloc(sizeof *resource));
    resource->number = number;
    if (number % KINDS == 0) {
        resource->file = fopen("/dev/null", "w");
    } else if (number % KINDS == 1) {
        void *mapped =
            mmap(NULL, MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        resource->mapped = mapped == MAP_FAILED ? NULL : mapped;
    } else {
        resource->block = malloc(1000);
    }
    if (!resource->file && !resource->mapped && !resource->block) {
        return NULL;
    }
    resource->finalizer = checked(gc_finalize(resource, finalize, NULL, GC_FIN_ATEXIT));
    return resource;
}

/* Closing by hand takes the finalizer away; if it has run already, there is nothing to close. */
static void close_resource(struct resource *resource)
{
    if (gc_finalize_detach(resource->finalizer) == 0) {
        give_back(resource, 's');
    }
}

/* Returns from the middle of two blocks: both are closed all the same, the inner one first. */
static int use_in_scope(size_t number)
{
    GC_WITH(struct resource *, outer, open_resource(number), close_resource)
    {
        GC_WITH(struct resource *, inner, open_resource(number + 1), close_resource)
        {
            return outer->number < inner->number;
        }
    }
    return -1; /* one of them could not be opened */
}

/* Not inlined, so that no variable of its own is still on the stack when the collection comes. */
__attribute__((noinline)) static void forget(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        checked(open_resource(i));
    }
}

/* Held until the process ends. Volatile, or the compiler sees that nobody reads it and leaves it
 * out. */
static struct resource *volatile held[MAX_FORGOTTEN];

/* The process that is watched: 2 in scopes, `n` forgotten before a collection, `n` held
 * to the end. */
_Noreturn static void work(size_t n)
{
    if (use_in_scope(0) != 1) {
        die("resources cannot be opened: %s", strerror(errno));
    }
    forget(2, 2 + n);
    gc_collect();
    gc_run_finalizers(0);
    for (size_t i = 0; i < n; i++) {
        held[i] = checked(open_resource(2 + n + i));
    }
    how_now = 'e';
    exit(finish());
}

static const char *name_of(char how)
{
    return how == 's'   ? "by scope"
           : how == 'f' ? "by finalizer, after gc_collect"
                        : "by finalizer, at exit";
}

/* Reads what the process reports until it ends; `how` gets it for each number. */
static void watch(int pipe, char *how, size_t n_resources)
{
    struct report report;
    while (read(pipe, &report, sizeof report) == (ssize_t)sizeof report) {
        expect(report.number < n_resources && how[report.number] == 0,
               "resource %zu is given back twice", report.number);
        how[report.number] = report.how;
    }
}

int main(int argc, char **argv)
{
    size_t n = count_argument(argc, argv, help, 50, 10, MAX_FORGOTTEN), n_resources = 2 + 2 * n;
    size_t counts[128] = {0};
    char *how = checked(gc_calloc(n_resources, 1));
    int ends[2], status;
    fflush(stdout);
    pid_t child = pipe(ends) == 0 ? fork() : -1;
    if (child < 0) {
        die("pipe or fork: %s", strerror(errno));
    }
    if (child == 0) {
        close(ends[0]);
        report_pipe = ends[1];
        work(n);
    }
    close(ends[1]);
    watch(ends[0], how, n_resources);
    expect(waitpid(child, &status, 0) == child && status == 0, "the process ends with status 0");
    for (size_t i = 0; i < n_resources; i++) {
        counts[how[i] & 127]++;
    }
    for (const char *each = "sfe"; *each; each++) {
        printf("given back %-32s %zu\n", name_of(*each), counts[(int)*each]);
    }
    printf("given back twice, or never: %zu of %zu\n", counts[0], n_resources);
    expect(counts[0] == 0, "%zu resources are never given back", counts[0]);
    expect(counts['s'] == 2 && how[0] == 's' && how[1] == 's', "what has a scope is closed by it");
    /* A stray word may keep a few that were forgotten until the end. */
    expect(counts['e'] >= n, "what is held goes at the end");
    expect(counts['f'] + 5 >= n, "what was forgotten goes with a collection");
    return finish();
}
