// Counters as rates per second between two runs.
#include <stdlib.h>
#include <string.h>

#include "internal.h"

typedef struct reading {
    const char *name;
    double value;
} reading;

/// The readings of one run.
struct saker_readings {
    saker_arena memory;
    int64_t timestamp_ms;
    reading *items;
    size_t count;
    /// Where a name is looked for first: runs bring their counters in the same order, mostly.
    size_t hint;
};

/// What was now is before, and a new run is now.
static void begin(saker_rates *rates, int64_t timestamp_ms) {
    struct saker_readings *now = rates->before;
    if (now) {
        saker_arena_clear(&now->memory);
    } else {
        now = saker_checked(calloc(1, sizeof *now));
    }
    *now = (struct saker_readings){.memory = now->memory, .timestamp_ms = timestamp_ms};
    rates->before = rates->now;
    rates->now = now;
}

static void note(struct saker_readings *now, const char *name, double value) {
    // Room for 1, 2, 4, 8… readings: it is full when their number is a power of two.
    if ((now->count & (now->count - 1)) == 0) {
        size_t room = now->count ? 2 * now->count : 1;
        now->items = saker_arena_resize(&now->memory, now->items, room * sizeof *now->items);
    }
    const char *copy = saker_arena_copy(&now->memory, name, strlen(name));
    now->items[now->count++] = (reading){.name = copy, .value = value};
}

static const reading *find(struct saker_readings *before, const char *name) {
    for (size_t i = 0; before && i < before->count; i++) {
        size_t at = (before->hint + i) % before->count;
        if (strcmp(before->items[at].name, name) == 0) {
            before->hint = at + 1;
            return &before->items[at];
        }
    }
    return NULL;
}

bool saker_rate(saker_rates *rates, saker_run run, const char *name, double value, double *per_second) {
    if (!rates->now || rates->now->timestamp_ms != run.timestamp_ms) {
        begin(rates, run.timestamp_ms);
    }
    note(rates->now, name, value);
    const reading *then = find(rates->before, name);
    if (!then || value < then->value || run.timestamp_ms <= rates->before->timestamp_ms) {
        return false;
    }
    double elapsed_s = (double)(run.timestamp_ms - rates->before->timestamp_ms) / 1000;
    *per_second = (value - then->value) / elapsed_s;
    return true;
}

static void free_readings(struct saker_readings *readings) {
    if (readings) {
        saker_arena_free(&readings->memory);
        free(readings);
    }
}

void saker_rates_clear(saker_rates *rates) {
    free_readings(rates->now);
    free_readings(rates->before);
    *rates = (saker_rates){0};
}
