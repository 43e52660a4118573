/* SPDX-License-Identifier: MIT */
/*
 * Building a long string out of many pieces: why `s = s + piece` is quadratic, and two ways that
 * are not. Nothing is freed by hand; bytes copied are counted, not timed.
 *
 *     cc strings.c support.c $(pkg-config --cflags --libs gleaner)
 *
 * Strings come from gc_malloc_atomic(): they hold no pointers, so the collector never reads them.
 * Nothing here comes from libc's malloc() but the buffer of stdout, which holds no pointer of ours.
 */
#include "support.h"

#include <string.h>

static const char help[] = "usage: strings [PIECES]\n"
                           "Builds a string of PIECES numbered pieces (default 20000) in three "
                           "ways, and counts the bytes\n"
                           "that each copies.\n";

struct string {
    char *text;
    size_t length;
};

static uint64_t copied_bytes;

static void copy(char *to, const char *from, size_t n)
{
    memcpy(to, from, n);
    copied_bytes += n;
}

/* Every piece differs, so that a piece that is lost or out of order shows. */
static size_t make_piece(char piece[24], size_t number)
{
    return (size_t)snprintf(piece, 24, "piece %zu; ", number);
}

/* s = s + piece: a new string for each piece, and the whole of the old one copied into it. The old
 * one is garbage, and the collector takes it away in time. */
static struct string naive(size_t n_pieces)
{
    struct string s = {checked(gc_malloc_atomic(1)), 0};
    for (size_t i = 0; i < n_pieces; i++) {
        char piece[24];
        size_t length = make_piece(piece, i);
        char *longer = checked(gc_malloc_atomic(s.length + length));
        copy(longer, s.text, s.length);
        copy(longer + s.length, piece, length);
        s.text = longer;
        s.length += length;
    }
    return s;
}

/* One string with room to grow. Whenever the room is used up it is doubled, so a byte is moved less
 * than once more on average, however long the string becomes. */
static struct string doubling(size_t n_pieces)
{
    size_t room = 64;
    struct string s = {checked(gc_malloc_atomic(room)), 0};
    for (size_t i = 0; i < n_pieces; i++) {
        char piece[24];
        size_t length = make_piece(piece, i);
        if (s.length + length > room) {
            room *= 2;
            s.text = checked(gc_realloc(s.text, room));
            copied_bytes += s.length; /* gc_realloc() may have moved it: the worst case counts */
        }
        copy(s.text + s.length, piece, length);
        s.length += length;
    }
    return s;
}

struct chunk {
    struct chunk *next;
    char *text;
    size_t length;
};

/* Python's "".join(pieces): collect the pieces in a list, add up the lengths, copy each once. */
static struct string join(size_t n_pieces)
{
    struct chunk *first = NULL, **end = &first;
    struct string s = {NULL, 0};
    for (size_t i = 0; i < n_pieces; i++) {
        char piece[24];
        struct chunk *chunk = checked(gc_malloc(sizeof *chunk));
        chunk->length = make_piece(piece, i);
        chunk->text = checked(gc_malloc_atomic(chunk->length));
        copy(chunk->text, piece, chunk->length);
        s.length += chunk->length;
        *end = chunk;
        end = &chunk->next;
    }
    s.text = checked(gc_malloc_atomic(s.length));
    size_t used = 0;
    for (const struct chunk *chunk = first; chunk; chunk = chunk->next) {
        copy(s.text + used, chunk->text, chunk->length);
        used += chunk->length;
    }
    return s;
}

static struct string measured(const char *name, struct string (*build)(size_t), size_t n_pieces,
                              uint64_t *copied)
{
    copied_bytes = 0;
    struct string s = build(n_pieces);
    *copied = copied_bytes;
    printf("%-28s %9zu  %14llu  %8.1f\n", name, s.length, (unsigned long long)*copied,
           (double)*copied / (double)s.length);
    return s;
}

int main(int argc, char **argv)
{
    size_t n_pieces = count_argument(argc, argv, help, 20000, 100, 1000000);
    uint64_t by_naive, by_doubling, by_join;

    printf("%-28s %9s  %14s  %8s\n", "way", "bytes", "bytes copied", "per byte");
    struct string a = measured("s = s + piece", naive, n_pieces, &by_naive);
    struct string b = measured("doubling with gc_realloc", doubling, n_pieces, &by_doubling);
    struct string c = measured("list of pieces, joined once", join, n_pieces, &by_join);
    gc_stats stats = stats_now();
    printf("the heap has %.1f MB after %.1f MB were allocated and none was freed by hand\n",
           megabytes(stats.heap_bytes), megabytes(stats.allocated_bytes));

    expect(a.length == b.length && a.length == c.length && memcmp(a.text, b.text, a.length) == 0 &&
               memcmp(a.text, c.text, a.length) == 0,
           "the three strings are equal");
    expect(by_naive > a.length * (n_pieces / 4), "naive concatenation is quadratic");
    expect(by_doubling <= 3 * a.length && by_join <= 2 * a.length, "the other two are linear");
    return finish();
}
