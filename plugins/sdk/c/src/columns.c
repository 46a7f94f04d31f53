// Values in columns: a series is named once, and its values only point at it from then on.
#include <string.h>

#include "internal.h"

/// What the plugin has defined. `memory` holds what is to be handed over, until the agent has it.
static struct {
    saker_arena memory;
    saker_definitions next;
    /// Whether the agent has it.
    bool is_taken;
    /// Handles that stand for nothing, to be given again once the agent knows that.
    uint32_t *unused;
    size_t unused_count;
    /// Whether the handles below `count` stand for a series.
    bool *is_defined;
    uint32_t count;
} known;

/// `items` with room for one more than `count`: 1, 2, 4, 8… of them, so they are full at a power of two.
static void *room_for_one(saker_arena *arena, void *items, size_t count, size_t size) {
    bool is_full = (count & (count - 1)) == 0;
    return is_full ? saker_arena_resize(arena, items, (count ? 2 * count : 1) * size) : items;
}

static const char *copy(const char *text) {
    return text ? saker_arena_copy(&known.memory, text, strlen(text)) : NULL;
}

static saker_value copy_series(const saker_value *series) {
    saker_value made = *series;
    made.endpoint = copy(series->endpoint);
    made.metric = copy(series->metric);
    made.tags.items = saker_arena_resize(&known.memory, NULL, (series->tags.count + 1) * sizeof(saker_tag));
    for (size_t i = 0; i < series->tags.count; i++) {
        made.tags.items[i] = (saker_tag){copy(series->tags.items[i].key), copy(series->tags.items[i].value)};
    }
    return made;
}

uint32_t saker_column_define(const saker_value *series) {
    uint32_t handle = known.count;
    if (known.unused_count) {
        handle = known.unused[--known.unused_count];
    } else {
        known.is_defined = room_for_one(&saker_life_arena, known.is_defined, known.count, sizeof(bool));
        known.count++;
    }
    known.is_defined[handle] = true;
    saker_definitions *next = &known.next;
    next->define = room_for_one(&known.memory, next->define, next->define_count, sizeof *next->define);
    next->define[next->define_count++] = (saker_definition){.handle = handle, .series = copy_series(series)};
    return handle;
}

void saker_column_forget(saker_values *values, uint32_t handle) {
    if (handle >= known.count || !known.is_defined[handle]) {
        return;
    }
    known.is_defined[handle] = false;
    // The agent forgets before it looks at definitions and values.
    size_t kept = 0;
    for (size_t i = 0; i < values->columns.count; i++) {
        if (values->columns.items[i].series != handle) {
            values->columns.items[kept++] = values->columns.items[i];
        }
    }
    values->columns.count = kept;
    saker_definitions *next = &known.next;
    for (size_t i = next->define_count; i-- > 0;) {
        if (next->define[i].handle == handle) {
            next->define[i] = next->define[--next->define_count];
        }
    }
    next->forget = room_for_one(&known.memory, next->forget, next->forget_count, sizeof *next->forget);
    next->forget[next->forget_count++] = handle;
}

void saker_column_add(saker_values *values, uint32_t handle, double value) {
    saker_column_add_at(values, handle, value, 0);
}

void saker_column_add_at(saker_values *values, uint32_t handle, double value, int64_t timestamp_ms) {
    saker_points *columns = &values->columns;
    columns->items = room_for_one(&saker_call_arena, columns->items, columns->count, sizeof *columns->items);
    columns->items[columns->count++] =
        (saker_point){.series = handle, .timestamp_ms = timestamp_ms, .value = value};
}

void saker_columns_begin(void) {
    if (!known.is_taken) {
        return;
    }
    known.is_taken = false;
    for (size_t i = 0; i < known.next.forget_count; i++) {
        known.unused = room_for_one(&saker_life_arena, known.unused, known.unused_count, sizeof *known.unused);
        known.unused[known.unused_count++] = known.next.forget[i];
    }
    known.next = (saker_definitions){0};
    saker_arena_clear(&known.memory);
}

const saker_definitions *saker_columns_take(void) {
    known.is_taken = true;
    return &known.next;
}

bool saker_columns_are_used(const saker_values *values) {
    return values->columns.count || known.next.define_count || known.next.forget_count;
}

void saker_columns_clear(void) {
    saker_arena_free(&known.memory);
    memset(&known, 0, sizeof known);
}
