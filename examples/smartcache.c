/* SPDX-License-Identifier: MIT */
/*
 * A cache of heavy objects that keeps none of them alive: Python's WeakValueDictionary, as a
 * SmartCache.
 *
 * As long as somebody uses an object, everybody who asks for it gets the same one; when the last
 * user has let go, it is garbage like any other, and the cache forgets it. No size has to be
 * chosen, and nothing has to be invalidated by hand.
 *
 *     cc smartcache.c support.c $(pkg-config --cflags --libs gleaner)
 *
 * libc's malloc(), whose memory is not scanned here, serves stdout alone; keys, values and the map
 * are in the collected heap.
 */
#include "support.h"

#include <gleaner/weakref.h>

#include <string.h>

static const char help[] = "usage: smartcache [IMAGES]\n"
                           "Asks a weak cache for IMAGES images (default 200) of 256 KiB each, "
                           "several times, and shows hits,\n"
                           "misses, and what is in memory.\n";

enum { IMAGE_BYTES = 256 << 10, WINDOW = 10 };

struct image {
    const char *name;
    unsigned char *pixels;
};

struct smart_cache {
    gc_weakmap *images; /* from names to struct image; values are weak */
    size_t n_hits, n_misses;
};

/* What the cache saves: here the pixels are made up, elsewhere they are read and decoded. */
static struct image *load_image(const char *name)
{
    struct image *image = checked(gc_malloc(sizeof *image));
    image->name = checked(gc_strdup(name));
    image->pixels = checked(gc_malloc_atomic(IMAGE_BYTES));
    memset(image->pixels, name[strlen(name) - 1], IMAGE_BYTES);
    return image;
}

/* The map keeps its keys alive, so the key is a copy of its own: if it were a part of the image,
 * the image would never go. */
static struct image *get_image(struct smart_cache *cache, const char *name)
{
    struct image *image = gc_weakmap_get(cache->images, name);
    if (image) {
        cache->n_hits++;
        return image;
    }
    cache->n_misses++;
    image = load_image(name);
    if (gc_weakmap_set(cache->images, checked(gc_strdup(name)), image) != 0) {
        checked(NULL);
    }
    return image;
}

static void show(const char *when, const struct smart_cache *cache)
{
    printf("%-44s %5zu hits %5zu misses %4zu images %7.1f MB live\n", when, cache->n_hits,
           cache->n_misses, gc_weakmap_len(cache->images), megabytes(stats_now().live_bytes));
}

static const char *name_of(char name[32], size_t number)
{
    snprintf(name, 32, "image %zu", number);
    return name;
}

/* Everybody wants the same images, and holds them: each is loaded once. The function is not
 * inlined, so that none of its variables is still on the stack when it is over. */
__attribute__((noinline)) static void hold_all(struct smart_cache *cache, size_t n_images)
{
    char name[32];
    struct image **held = checked(gc_calloc(n_images, sizeof *held));
    for (size_t user = 0; user < 3; user++) {
        for (size_t i = 0; i < n_images; i++) {
            struct image *image = get_image(cache, name_of(name, i));
            expect(user == 0 || image == held[i], "all users of %s share one", name);
            held[i] = image;
        }
    }
    gc_collect();
    show("three users, all images held:", cache);
    expect(cache->n_misses == n_images && cache->n_hits == 2 * n_images, "each is loaded once");
    expect(gc_weakmap_len(cache->images) == n_images, "what is held stays in the cache");
    gc_del(held); /* the last user goes */
}

/* A viewer that looks at one image after the other and holds the last ten: memory stays near what
 * it holds, however many it has seen. An image that nobody holds is still found until the next
 * collection. */
static void browse(struct smart_cache *cache, size_t n_images)
{
    struct image *window[WINDOW];
    uint64_t largest = 0;
    char name[32];
    for (size_t i = 0; i < 5 * n_images; i++) {
        window[i % WINDOW] = get_image(cache, name_of(name, i % n_images));
        expect(window[i % WINDOW]->pixels[7] == (unsigned char)name[strlen(name) - 1],
               "%s is whole", name);
        uint64_t heap = stats_now().heap_bytes;
        largest = heap > largest ? heap : largest;
    }
    gc_collect();
    show("browsed five times, ten images held:", cache);
    for (size_t i = 0; i < WINDOW; i++) {
        expect(window[i]->pixels != NULL, "what the viewer holds is there");
    }
    expect(gc_weakmap_len(cache->images) >= WINDOW, "and still in the cache");
    double loaded = (double)cache->n_misses * IMAGE_BYTES / 1e6;
    printf("  %.1f MB of images were loaded; the largest heap was %.1f MB\n", loaded,
           megabytes(largest));
    expect(megabytes(largest) < loaded / 4, "memory stays bounded");
}

/* What has gone is loaded again when it is asked for, once for all who ask. */
static void ask_twice(struct smart_cache *cache, size_t n_images)
{
    char name[32];
    size_t n_misses = cache->n_misses;
    const struct image *again = get_image(cache, name_of(name, n_images / 2));
    expect(cache->n_misses == n_misses + 1, "an image that has gone is loaded again");
    const struct image *same = get_image(cache, name);
    expect(same == again && cache->n_misses == n_misses + 1, "and shared from then on");
    show("one is asked for twice:", cache);
}

static struct smart_cache *new_cache(void)
{
    struct smart_cache *cache = checked(gc_malloc(sizeof *cache));
    cache->images = checked(gc_weakmap_new(GC_WEAK_VALUES, GC_HASH_STRINGS));
    return cache;
}

int main(int argc, char **argv)
{
    size_t n_images = count_argument(argc, argv, help, 200, 100, 10000);
    struct smart_cache *cache = new_cache();

    browse(new_cache(), n_images);
    hold_all(cache, n_images);
    gc_collect();
    show("nobody holds one any more, after gc_collect:", cache);
    /* A stray word on the stack may keep one or two. */
    expect(gc_weakmap_len(cache->images) <= 3, "what nobody holds has gone from the cache");
    ask_twice(cache, n_images);
    return finish();
}
