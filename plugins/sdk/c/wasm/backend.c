// The exports of a backend.
#include "convert.h"

void exports_saker_plugin_backend_describe(exports_saker_plugin_backend_description_t *result) {
    saker_describe(&saker_backend, result);
}

bool exports_saker_plugin_backend_open(bindings_string_t *settings,
                                       exports_saker_plugin_backend_open_error_t *error) {
    return saker_open_world(&saker_backend, settings, error);
}

void exports_saker_plugin_backend_define(exports_saker_plugin_backend_list_definition_t *definitions) {
    for (size_t i = 0; i < definitions->len; i++) {
        saker_series series = saker_from_series(&definitions->ptr[i].series);
        saker_define(&saker_backend, definitions->ptr[i].id, &series);
    }
    saker_call_ends();
}

static void to_error(exports_saker_plugin_backend_write_error_t *made) {
    const saker_error *error = &saker_last_error;
    switch (error->kind) {
    case SAKER_IS_RETRY:
    case SAKER_IS_UNAVAILABLE:
        made->tag = EXPORTS_SAKER_PLUGIN_BACKEND_WRITE_ERROR_RETRY;
        made->val.retry.after_ms.is_some = error->after_ms != 0;
        made->val.retry.after_ms.val = error->after_ms;
        made->val.retry.message = saker_to_string(error->text);
        break;
    case SAKER_IS_REJECT:
        made->tag = EXPORTS_SAKER_PLUGIN_BACKEND_WRITE_ERROR_REJECT;
        made->val.reject.points.ptr = error->points;
        made->val.reject.points.len = error->count;
        made->val.reject.message = saker_to_string(error->text);
        break;
    case SAKER_IS_DENIED:
        made->tag = EXPORTS_SAKER_PLUGIN_BACKEND_WRITE_ERROR_DENIED;
        made->val.denied = saker_to_permission(error->permission, error->text);
        break;
    default:
        made->tag = EXPORTS_SAKER_PLUGIN_BACKEND_WRITE_ERROR_BROKEN;
        made->val.broken = saker_to_string(error->text);
    }
}

/// Points as rows: an author's code looks at them one by one.
static const saker_point *to_rows(const exports_saker_plugin_backend_columns_t *columns) {
    size_t count = columns->series.len;
    saker_point *rows = saker_arena_alloc(&saker_call_arena, count * sizeof *rows, _Alignof(saker_point));
    for (size_t i = 0; i < count; i++) {
        rows[i].series = columns->series.ptr[i];
        rows[i].timestamp_ms = columns->timestamps_ms.ptr[i];
        rows[i].value = columns->values.ptr[i];
    }
    return rows;
}

bool exports_saker_plugin_backend_write(exports_saker_plugin_backend_columns_t *points,
                                        exports_saker_plugin_backend_written_t *result,
                                        exports_saker_plugin_backend_write_error_t *error) {
    if (!saker_write(&saker_backend, to_rows(points), points->series.len)) {
        to_error(error);
        return false;
    }
    result->points = (uint32_t)points->series.len;
    return true;
}

void exports_saker_plugin_backend_forget(exports_saker_plugin_backend_list_series_id_t *ids) {
    for (size_t i = 0; i < ids->len; i++) {
        saker_forget(&saker_backend, ids->ptr[i]);
    }
    saker_call_ends();
}

void exports_saker_plugin_backend_close(void) {
    saker_close(&saker_backend);
    saker_call_ends();
}

SAKER_POST_RETURN(backend, describe, "describe")
SAKER_POST_RETURN(backend, open, "open")
SAKER_POST_RETURN(backend, write, "write")
