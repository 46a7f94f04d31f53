#include "convert.h"

#include <stdlib.h>
#include <string.h>

void *cabi_realloc(void *bytes, size_t old_size, size_t align, size_t new_size);
void *saker_adapter_realloc(void *bytes, size_t old_size, size_t align, size_t new_size);

/// Where the agent puts what it hands over. Texts get a zero byte at their end, and are C strings where they lie.
__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *bytes, size_t old_size, size_t align, size_t new_size) {
    char *place = saker_arena_alloc(&saker_call_arena, align == 1 ? new_size + 1 : new_size, align);
    if (old_size) {
        memcpy(place, bytes, old_size < new_size ? old_size : new_size);
    }
    if (align == 1) {
        place[new_size] = 0;
    }
    return place;
}

/// What the adapter that makes a component of this module needs lives as long as the instance.
__attribute__((export_name("cabi_realloc_adapter")))
void *saker_adapter_realloc(void *bytes, size_t old_size, size_t align, size_t new_size) {
    (void)old_size;
    (void)align;
    return saker_checked(realloc(bytes, new_size));
}

bindings_string_t saker_to_string(const char *text) {
    const char *utf8 = saker_utf8(text ? text : "");
    return (bindings_string_t){.ptr = (uint8_t *)utf8, .len = strlen(utf8)};
}

const char *saker_from_string(bindings_string_t string) {
    return string.len ? (const char *)string.ptr : "";
}

saker_plugin_types_permission_t saker_to_permission(saker_permission permission, const char *what) {
    saker_plugin_types_permission_t made = {.tag = (uint8_t)permission};
    if (permission != SAKER_DATA_DIR && permission != SAKER_STDOUT) {
        // All others are a text, in the same place.
        made.val.read = saker_to_string(what);
    }
    return made;
}

_Static_assert((int)SAKER_READ == SAKER_PLUGIN_TYPES_PERMISSION_READ, "permissions are numbered as there");
_Static_assert((int)SAKER_UNIX == SAKER_PLUGIN_TYPES_PERMISSION_UNIX, "permissions are numbered as there");
_Static_assert((int)SAKER_GAUGE == SAKER_PLUGIN_TYPES_METRIC_TYPE_GAUGE, "types are numbered as there");
_Static_assert((int)SAKER_DERIVE == SAKER_PLUGIN_TYPES_METRIC_TYPE_DERIVE, "types are numbered as there");

saker_plugin_types_list_tag_t saker_to_tags(saker_tags tags) {
    saker_plugin_types_tag_t *made = saker_alloc(tags.count * sizeof *made);
    for (size_t i = 0; i < tags.count; i++) {
        made[i].f0 = saker_to_string(tags.items[i].key);
        made[i].f1 = saker_to_string(tags.items[i].value);
    }
    return (saker_plugin_types_list_tag_t){.ptr = made, .len = tags.count};
}

saker_plugin_types_series_t saker_to_series(const saker_series *series) {
    return (saker_plugin_types_series_t){
        .endpoint = saker_to_string(series->endpoint),
        .metric = saker_to_string(series->metric),
        .tags = saker_to_tags(series->tags),
        .metric_type = (uint8_t)series->type,
        .step_s = series->step_s,
    };
}

saker_series saker_from_series(const saker_plugin_types_series_t *series) {
    size_t count = series->tags.len;
    saker_tag *tags = saker_alloc(count * sizeof *tags);
    for (size_t i = 0; i < count; i++) {
        tags[i].key = saker_from_string(series->tags.ptr[i].f0);
        tags[i].value = saker_from_string(series->tags.ptr[i].f1);
    }
    return (saker_series){
        .endpoint = saker_from_string(series->endpoint),
        .metric = saker_from_string(series->metric),
        .tags = {.items = tags, .count = count},
        .type = (saker_metric_type)series->metric_type,
        .step_s = series->step_s,
    };
}

void saker_describe(const saker_plugin *plugin, saker_plugin_types_description_t *description) {
    size_t count = 0;
    while (count < SAKER_REQUESTS_MAX && plugin->requests[count].reason) {
        count++;
    }
    saker_plugin_types_permission_request_t *wanted = saker_alloc(count * sizeof *wanted);
    for (size_t i = 0; i < count; i++) {
        const saker_request *one = &plugin->requests[i];
        wanted[i].permission = saker_to_permission(one->permission, one->what);
        wanted[i].reason = saker_to_string(one->reason);
    }
    *description = (saker_plugin_types_description_t){
        .name = saker_to_string(plugin->name),
        .version = saker_to_string(plugin->version),
        .summary = saker_to_string(plugin->summary),
        .permissions = {.ptr = wanted, .len = count},
        .settings_schema = saker_to_string(saker_schema(plugin)),
        .default_interval_ms = {.is_some = plugin->every_ms != 0, .val = plugin->every_ms},
    };
}

bool saker_open_world(const saker_plugin *plugin, bindings_string_t *settings,
                      saker_plugin_types_open_error_t *error) {
    if (saker_open(plugin, (const char *)settings->ptr, settings->len)) {
        return true;
    }
    const saker_error *last = &saker_last_error;
    if (last->kind == SAKER_IS_SETTINGS) {
        error->tag = SAKER_PLUGIN_TYPES_OPEN_ERROR_SETTINGS;
        error->val.settings = saker_to_string(last->text);
    } else if (last->kind == SAKER_IS_DENIED) {
        error->tag = SAKER_PLUGIN_TYPES_OPEN_ERROR_DENIED;
        error->val.denied = saker_to_permission(last->permission, last->text);
    } else {
        error->tag = SAKER_PLUGIN_TYPES_OPEN_ERROR_OTHER;
        error->val.other = saker_to_string(last->text);
    }
    return false;
}
