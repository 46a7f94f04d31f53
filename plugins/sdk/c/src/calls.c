// The agent's calls, as far as they are the same in the sandbox and in tests.
#include "internal.h"

bool saker_open(const saker_plugin *plugin, const char *settings, size_t length) {
    saker_error_clear();
    saker_arena_clear(&saker_life_arena);
    saker_columns_clear();
    saker_write_most = SIZE_MAX;
    bool is_read = saker_check_settings(plugin) && saker_read_settings(plugin, settings, length);
    if (is_read && (!plugin->open || plugin->open())) {
        return true;
    }
    saker_error_complete("open");
    return false;
}

void saker_close(const saker_plugin *plugin) {
    saker_error_clear();
    if (plugin->close) {
        plugin->close();
    }
    saker_arena_clear(&saker_life_arena);
    saker_columns_clear();
}

bool saker_collect(const saker_plugin *plugin, saker_run run, saker_values *values) {
    saker_error_clear();
    if (!plugin->collect) {
        return saker_failed("the plugin has no collect");
    }
    saker_columns_begin();
    if (!plugin->collect(run, values)) {
        saker_error_complete("collect");
        return false;
    }
    if (values->count && values->columns.count) {
        return saker_failed("collect: values came in columns and beside them; a run brings them in one way");
    }
    return true;
}

saker_verdict saker_map_series(const saker_plugin *plugin, saker_series *series) {
    saker_error_clear();
    if (!plugin->map_series) {
        saker_failed("the plugin has no map_series");
        return SAKER_FAIL;
    }
    saker_verdict verdict = plugin->map_series(series);
    if (verdict == SAKER_FAIL) {
        saker_error_complete("map_series");
    }
    return verdict;
}

void saker_define(const saker_plugin *plugin, uint32_t handle, const saker_series *series) {
    if (plugin->define) {
        plugin->define(handle, series);
    }
}

void saker_forget(const saker_plugin *plugin, uint32_t handle) {
    if (plugin->forget) {
        plugin->forget(handle);
    }
}

void saker_call_ends(void) {
    saker_arena_clear(&saker_call_arena);
}
