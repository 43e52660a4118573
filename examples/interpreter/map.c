/* SPDX-License-Identifier: MIT */
/*
 * map.c - maps: entries in the order in which they came, and an index of numbers into them, with
 * open addressing. The index holds no pointers, so it is memory that the collector does not read.
 */
#include "finch.h"

#include <string.h>

struct value new_map(void)
{
    return object_value(new_object(sizeof(struct map), TYPE_MAP));
}

static uint32_t hash_of(struct value key)
{
    uint64_t bits = 0;
    switch (key.type) {
    case TYPE_STRING:
        return key.as.string->hash;
    case TYPE_NUMBER:
        if (key.as.number < 0 || key.as.number > 0) { /* 0 and -0 are one key */
            memcpy(&bits, &key.as.number, sizeof bits);
        }
        break;
    case TYPE_BOOL:
        bits = (uint64_t)key.as.is_true + 1;
        break;
    case TYPE_NIL:
        break;
    default:
        bits = (uintptr_t)key.as.object;
    }
    return (uint32_t)((bits * 0x9e3779b97f4a7c15u) >> 32);
}

/* Where the index has the key, or the free place where it belongs. 0 in the index is free; n is
 * entry n - 1. */
static size_t find(const struct map *map, struct value key)
{
    size_t mask = map->index_size - 1, place = hash_of(key) & mask;
    while (map->index[place] && !is_equal(map->entries[map->index[place] - 1].key, key)) {
        place = (place + 1) & mask;
    }
    return place;
}

/* Room for one more: dead entries go, and the tables are made anew at twice what lives. */
static void make_room(struct map *map)
{
    size_t room = map->n_live < 4 ? 8 : 2 * map->n_live, index_size = 16;
    while (index_size < 2 * room) {
        index_size *= 2;
    }
    if (index_size > UINT32_MAX) {
        fail("a map has too many entries");
    }
    struct entry *entries = scanned_memory(room * sizeof *entries);
    uint32_t *index = plain_memory(index_size * sizeof *index);
    memset(index, 0, index_size * sizeof *index);
    size_t n = 0;
    for (size_t i = 0; i < map->n_entries; i++) {
        if (map->entries[i].value.type != TYPE_NIL) {
            entries[n++] = map->entries[i];
        }
    }
    map->entries = entries;
    map->index = index;
    map->n_entries = n;
    map->room = room;
    map->index_size = index_size;
    for (size_t i = 0; i < n; i++) {
        index[find(map, entries[i].key)] = (uint32_t)i + 1;
    }
}

struct value map_get(const struct map *map, struct value key)
{
    uint32_t number = map->n_live ? map->index[find(map, key)] : 0;
    return number ? keep(map->entries[number - 1].value) : nil_value();
}

/* Keys are not counted, and must equal themselves. */
static void check_key(struct value key)
{
    if (key.type == TYPE_NIL || key.type == TYPE_FILE || !is_equal(key, key)) {
        fail("%s cannot be a key", key.type == TYPE_NUMBER ? "not-a-number" : type_name(key.type));
    }
}

/* The key of a removed entry stays until the next make_room(), so that others behind it are still
 * found; set again, the entry lives again. */
void map_set(struct map *map, struct value key, struct value value)
{
    check_key(key);
    if (map->n_entries == map->room) {
        make_room(map);
    }
    size_t place = find(map, key);
    if (!map->index[place]) {
        map->entries[map->n_entries++].key = key;
        map->index[place] = (uint32_t)map->n_entries;
    }
    struct entry *entry = &map->entries[map->index[place] - 1];
    struct value old = entry->value;
    map->n_live += (size_t)(value.type != TYPE_NIL) - (size_t)(old.type != TYPE_NIL);
    entry->value = value;
    drop(old); /* last: a file that closes sees the map as it is now */
}

const struct entry *map_next(const struct map *map, size_t *position)
{
    while (*position < map->n_entries) {
        const struct entry *entry = &map->entries[(*position)++];
        if (entry->value.type != TYPE_NIL) {
            return entry;
        }
    }
    return NULL;
}
