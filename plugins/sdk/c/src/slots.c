// A table of texts whose keys are the handles of series.
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct saker_slot {
    struct saker_slot *next;
    uint32_t handle;
    char text[];
};

/// The agent's handles are dense, so their low bits spread them evenly. `room` is a power of two.
static struct saker_slot **bucket(const saker_slots *slots, uint32_t handle) {
    return &slots->buckets[handle & (slots->room - 1)];
}

static void grow(saker_slots *slots) {
    saker_slots larger = {.room = slots->room ? 2 * slots->room : 64, .count = slots->count};
    larger.buckets = saker_checked(calloc(larger.room, sizeof(struct saker_slot *)));
    for (size_t i = 0; i < slots->room; i++) {
        for (struct saker_slot *slot = slots->buckets[i], *next; slot; slot = next) {
            next = slot->next;
            struct saker_slot **place = bucket(&larger, slot->handle);
            slot->next = *place;
            *place = slot;
        }
    }
    free(slots->buckets);
    *slots = larger;
}

void saker_slots_put(saker_slots *slots, uint32_t handle, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = saker_arena_format(&saker_call_arena, format, arguments);
    va_end(arguments);
    saker_slots_remove(slots, handle);
    if (slots->count == slots->room) {
        grow(slots);
    }
    size_t size = strlen(text) + 1;
    struct saker_slot *slot = saker_checked(malloc(sizeof *slot + size));
    struct saker_slot **place = bucket(slots, handle);
    slot->next = *place;
    slot->handle = handle;
    memcpy(slot->text, text, size);
    *place = slot;
    slots->count++;
}

bool saker_slots_get(const saker_slots *slots, uint32_t handle, const char **text) {
    struct saker_slot *slot = slots->room ? *bucket(slots, handle) : NULL;
    while (slot && slot->handle != handle) {
        slot = slot->next;
    }
    if (!slot) {
        return saker_failed("series %" PRIu32 " was never defined", handle);
    }
    *text = slot->text;
    return true;
}

void saker_slots_remove(saker_slots *slots, uint32_t handle) {
    struct saker_slot **place = slots->room ? bucket(slots, handle) : NULL;
    while (place && *place) {
        struct saker_slot *slot = *place;
        if (slot->handle == handle) {
            *place = slot->next;
            free(slot);
            slots->count--;
            return;
        }
        place = &slot->next;
    }
}

void saker_slots_clear(saker_slots *slots) {
    for (size_t i = 0; i < slots->room; i++) {
        for (struct saker_slot *slot = slots->buckets[i], *next; slot; slot = next) {
            next = slot->next;
            free(slot);
        }
    }
    free(slots->buckets);
    *slots = (saker_slots){0};
}
