// Values of a collector, and the tags of values and series.
#include <string.h>

#include "internal.h"

/// What the agent takes: tags of a series, and bytes of a key or a value.
enum { TAGS_MAX = 40, KEY_BYTES_MAX = 255, VALUE_BYTES_MAX = 4096 };

static const char *copy(const char *text) {
    return saker_arena_copy(&saker_call_arena, text, strlen(text));
}

static saker_value *add(saker_values *values, saker_metric_type type, const char *metric, double number) {
    saker_value *value = saker_alloc(sizeof *value);
    *value = (saker_value){.metric = copy(metric), .type = type, .value = number};
    if (!values) {
        return value;
    }
    // Room for 1, 2, 4, 8… values: it is full when their number is a power of two.
    if ((values->count & (values->count - 1)) == 0) {
        size_t room = values->count ? 2 * values->count : 1;
        values->items = saker_arena_resize(&saker_call_arena, values->items, room * sizeof(saker_value *));
    }
    values->items[values->count++] = value;
    return value;
}

saker_value *saker_gauge(saker_values *values, const char *metric, double value) {
    return add(values, SAKER_GAUGE, metric, value);
}

saker_value *saker_counter(saker_values *values, const char *metric, double value) {
    return add(values, SAKER_COUNTER, metric, value);
}

saker_value *saker_derive(saker_values *values, const char *metric, double value) {
    return add(values, SAKER_DERIVE, metric, value);
}

static saker_tag *find(const saker_tags *tags, const char *key) {
    for (size_t i = 0; i < tags->count; i++) {
        if (strcmp(tags->items[i].key, key) == 0) {
            return &tags->items[i];
        }
    }
    return NULL;
}

static void put(saker_tags *tags, const char *key, const char *value) {
    saker_tag *tag = find(tags, key);
    if (!tag) {
        saker_tag *items = saker_alloc((tags->count + 1) * sizeof *items);
        if (tags->count) {
            memcpy(items, tags->items, tags->count * sizeof *items);
        }
        tags->items = items;
        tag = &items[tags->count++];
        tag->key = copy(key);
    }
    tag->value = copy(value);
}

saker_value *saker_with_tag(saker_value *value, const char *key, const char *text) {
    // What a tag may not hold, the agent rejects and counts. Without the tag, it would be another series.
    put(&value->tags, key, text);
    return value;
}

/// Whether the agent takes this as a key or a value.
static bool is_usable(const char *text, size_t most) {
    return *text && strlen(text) <= most && strcmp(saker_tag_value(text), text) == 0;
}

bool saker_tags_set(saker_tags *tags, const char *key, const char *value) {
    if (!is_usable(key, KEY_BYTES_MAX) || !is_usable(value, VALUE_BYTES_MAX)) {
        const char *form = "tag %.60s=%.60s: expected a key of 1 to %d bytes and a value of 1 to %d, "
                           "without control characters";
        return saker_failed(form, key, value, KEY_BYTES_MAX, VALUE_BYTES_MAX);
    }
    if (!find(tags, key) && tags->count >= TAGS_MAX) {
        return saker_failed("tag %s: a series has at most %d tags", key, TAGS_MAX);
    }
    put(tags, key, value);
    return true;
}

const char *saker_tags_get(const saker_tags *tags, const char *key) {
    const saker_tag *tag = find(tags, key);
    return tag ? tag->value : NULL;
}
