// The error of a call: remembered here until the agent is told, or the next one takes its place.
#include <string.h>

#include "internal.h"

saker_error saker_last_error;

void saker_error_clear(void) {
    saker_last_error = (saker_error){0};
}

static bool set(saker_error_kind kind, const char *text) {
    saker_last_error = (saker_error){.kind = kind, .text = text};
    return false;
}

/// Formats the text of the function that it stands in.
#define FORMAT(text)                                                             \
    va_list arguments;                                                           \
    va_start(arguments, format);                                                 \
    const char *text = saker_arena_format(&saker_call_arena, format, arguments); \
    va_end(arguments)

bool saker_wrong_setting(const char *name, const char *format, ...) {
    FORMAT(text);
    return set(SAKER_IS_SETTINGS, saker_format("%s: %s", name, text));
}

bool saker_denied(saker_permission permission, const char *what) {
    set(SAKER_IS_DENIED, saker_arena_copy(&saker_call_arena, what, strlen(what)));
    saker_last_error.permission = permission;
    return false;
}

bool saker_unavailable(const char *format, ...) {
    FORMAT(text);
    return set(SAKER_IS_UNAVAILABLE, text);
}

bool saker_malformed(const char *place, const char *format, ...) {
    FORMAT(text);
    return set(SAKER_IS_MALFORMED, saker_format("%s: expected %s", place, text));
}

bool saker_failed(const char *format, ...) {
    FORMAT(text);
    return set(SAKER_IS_FAILED, text);
}

bool saker_retry(uint32_t after_ms, const char *format, ...) {
    FORMAT(text);
    set(SAKER_IS_RETRY, text);
    saker_last_error.after_ms = after_ms;
    return false;
}

bool saker_reject(const char *format, ...) {
    FORMAT(text);
    return set(SAKER_IS_REJECT, text);
}

bool saker_reject_point(size_t index, const char *format, ...) {
    FORMAT(text);
    saker_error *error = &saker_last_error;
    if (error->kind != SAKER_IS_REJECT || error->count == 0) {
        set(SAKER_IS_REJECT, text);
    }
    // Room for 1, 2, 4, 8… points: it is full when their number is a power of two.
    if ((error->count & (error->count - 1)) == 0) {
        size_t room = error->count ? 2 * error->count : 1;
        error->points = saker_arena_resize(&saker_call_arena, error->points, room * sizeof *error->points);
    }
    error->points[error->count++] = (uint32_t)index;
    return false;
}

bool saker_too_large(const char *text) {
    return set(SAKER_IS_TOO_LARGE, text);
}

void saker_error_complete(const char *call) {
    if (saker_last_error.kind == SAKER_NO_ERROR) {
        saker_failed("%s failed, and did not say why", call);
    }
}

static const char *permission_name(saker_permission permission) {
    static const char *const names[] = {"read", "statfs", "connect", "secret", "env", "write", "data_dir", "stdout"};
    return names[permission];
}

const char *saker_why(void) {
    const saker_error *error = &saker_last_error;
    switch (error->kind) {
    case SAKER_NO_ERROR:
        return "no error";
    case SAKER_IS_SETTINGS:
        return saker_format("settings: %s", error->text);
    case SAKER_IS_DENIED:
        return saker_format("denied: %s %s", permission_name(error->permission), error->text);
    case SAKER_IS_UNAVAILABLE:
        return saker_format("unavailable: %s", error->text);
    case SAKER_IS_MALFORMED:
        return saker_format("malformed: %s", error->text);
    case SAKER_IS_FAILED:
        return saker_format("failed: %s", error->text);
    case SAKER_IS_RETRY:
        return error->after_ms ? saker_format("retry after %" PRIu32 " ms: %s", error->after_ms, error->text)
                               : saker_format("retry: %s", error->text);
    case SAKER_IS_TOO_LARGE:
        return saker_format("too large: %s", error->text);
    case SAKER_IS_REJECT:
        break;
    }
    saker_text text = {0};
    saker_append(&text, "reject");
    for (size_t i = 0; i < error->count; i++) {
        saker_append(&text, "%s%" PRIu32, i == 0 ? " " : ",", error->points[i]);
    }
    saker_append(&text, ": %s", error->text);
    return text.bytes;
}
