/// Between the SDK's records and the generated ones, which are the same in all three worlds. Nothing is copied that
/// can be pointed to: all of it lives until the call ends.
#ifndef SAKER_CONVERT_H
#define SAKER_CONVERT_H

#include "../src/internal.h"
#include "bindings.h"

/// A text for the agent: nothing but UTF-8.
bindings_string_t saker_to_string(const char *text);

/// A text of the agent's. It ends with a zero byte: see `cabi_realloc`.
const char *saker_from_string(bindings_string_t string);

saker_plugin_types_permission_t saker_to_permission(saker_permission permission, const char *what);
saker_plugin_types_list_tag_t saker_to_tags(saker_tags tags);
saker_plugin_types_series_t saker_to_series(const saker_series *series);
saker_series saker_from_series(const saker_plugin_types_series_t *series);

/// What `describe` and `open` are in every world.
void saker_describe(const saker_plugin *plugin, saker_plugin_types_description_t *description);
bool saker_open_world(const saker_plugin *plugin, bindings_string_t *settings,
                      saker_plugin_types_open_error_t *error);

/// Defines what the agent calls when it has taken the result of `function`: frees what the call has left, where the
/// generated function of the same name would free part by part.
#define SAKER_POST_RETURN(interface, function, export)                                                       \
    void __wasm_export_exports_saker_plugin_##interface##_##function##_post_return(uint8_t *result);         \
    __attribute__((export_name("cabi_post_saker:plugin/" #interface "@0.1.0#" export)))                      \
    void __wasm_export_exports_saker_plugin_##interface##_##function##_post_return(uint8_t *result) {        \
        (void)result;                                                                                        \
        saker_call_ends();                                                                                   \
    }

#endif
