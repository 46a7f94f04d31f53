// What an author asks of the agent, in the sandbox.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

#include "convert.h"

/// Has every line that is printed reach the log at once. Otherwise it would wait for a later call, or for ever.
__attribute__((constructor)) static void print_line_by_line(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
}

void saker_host_log(saker_level level, const char *line) {
    bindings_string_t message = saker_to_string(line);
    saker_plugin_log_log((saker_plugin_log_level_t)level, &message);
}

bool saker_save_state(const void *bytes, size_t length) {
    bindings_list_u8_t list = {.ptr = (uint8_t *)bytes, .len = length};
    saker_plugin_state_state_error_t error;
    return saker_plugin_state_save(&list, &error) ||
           saker_failed("a state of %zu bytes is too large: limits.max_state_bytes is %" PRIu32, length,
                        error.val.too_large);
}

const void *saker_load_state(size_t *length) {
    bindings_list_u8_t list = {0};
    bool is_there = saker_plugin_state_load(&list);
    *length = is_there ? list.len : 0;
    return is_there ? list.ptr : NULL;
}

void saker_counter_add(const char *name, double amount) {
    bindings_string_t string = saker_to_string(name);
    saker_plugin_custom_metrics_counter_add(&string, amount);
}

void saker_gauge_set(const char *name, double value) {
    bindings_string_t string = saker_to_string(name);
    saker_plugin_custom_metrics_gauge_set(&string, value);
}

bool saker_filesystem_usage(const char *path, saker_usage *usage) {
    bindings_string_t string = saker_to_string(path);
    saker_plugin_statfs_usage_t found;
    saker_plugin_statfs_usage_error_t error;
    if (saker_plugin_statfs_stat(&string, &found, &error)) {
        *usage = (saker_usage){
            .total_bytes = found.total_bytes,
            .free_bytes = found.free_bytes,
            .available_bytes = found.available_bytes,
            .total_inodes = found.total_inodes,
            .free_inodes = found.free_inodes,
        };
        return true;
    }
    return error.tag == SAKER_PLUGIN_STATFS_USAGE_ERROR_DENIED
               ? saker_denied(SAKER_STATFS, path)
               : saker_unavailable("%s", saker_from_string(error.val.unavailable));
}

/// Whether a granted directory holds `path`. They are the descriptors from 3 on, as WASI numbers them.
static bool is_granted(const char *path) {
    __wasi_prestat_t granted;
    for (__wasi_fd_t fd = 3; __wasi_fd_prestat_get(fd, &granted) == __WASI_ERRNO_SUCCESS; fd++) {
        size_t length = granted.u.dir.pr_name_len;
        char *name = saker_alloc(length + 1);
        if (__wasi_fd_prestat_dir_name(fd, (uint8_t *)name, length) != __WASI_ERRNO_SUCCESS) {
            continue;
        }
        length = strlen(name);
        while (length && name[length - 1] == '/') {
            length--;
        }
        if (strncmp(path, name, length) == 0 && (path[length] == '/' || path[length] == 0)) {
            return true;
        }
    }
    return false;
}

bool saker_host_denies(const char *path, int error) {
    // A path below no granted directory does not exist, as far as libc is concerned.
    return error == EPERM || error == ENOTCAPABLE || (error == ENOENT && !is_granted(path));
}
