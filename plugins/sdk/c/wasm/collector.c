// The exports of a collector.
#include "convert.h"

void exports_saker_plugin_collector_describe(exports_saker_plugin_collector_description_t *result) {
    saker_describe(&saker_collector, result);
}

bool exports_saker_plugin_collector_open(bindings_string_t *settings,
                                         exports_saker_plugin_collector_open_error_t *error) {
    return saker_open_world(&saker_collector, settings, error);
}

static saker_plugin_types_sample_t to_value(const saker_value *value) {
    return (saker_plugin_types_sample_t){
        .endpoint = {.is_some = value->endpoint != NULL, .val = saker_to_string(value->endpoint)},
        .metric = saker_to_string(value->metric),
        .tags = saker_to_tags(value->tags),
        .metric_type = (uint8_t)value->type,
        .value = value->value,
        .timestamp_ms = {.is_some = value->timestamp_ms != 0, .val = value->timestamp_ms},
        .step_s = {.is_some = value->step_s != 0, .val = value->step_s},
    };
}

static exports_saker_plugin_collector_definition_t to_definition(const saker_definition *definition) {
    const saker_value *series = &definition->series;
    saker_plugin_types_list_tag_t tags = saker_to_tags(series->tags);
    return (exports_saker_plugin_collector_definition_t){
        .id = definition->handle,
        .endpoint = {.is_some = series->endpoint != NULL, .val = saker_to_string(series->endpoint)},
        .metric = saker_to_string(series->metric),
        .tags = {.ptr = tags.ptr, .len = tags.len},
        .metric_type = (uint8_t)series->type,
        .step_s = {.is_some = series->step_s != 0, .val = series->step_s},
    };
}

/// Points as columns. Where none is of another time than the run, there are no timestamps at all.
static saker_plugin_types_columns_t to_columns(saker_points points, int64_t run_ms) {
    bool is_timed = false;
    saker_plugin_types_columns_t made = {
        .series = {.ptr = saker_alloc(points.count * sizeof(uint32_t)), .len = points.count},
        .values = {.ptr = saker_alloc(points.count * sizeof(double)), .len = points.count},
    };
    for (size_t i = 0; i < points.count; i++) {
        made.series.ptr[i] = points.items[i].series;
        made.values.ptr[i] = points.items[i].value;
        is_timed |= points.items[i].timestamp_ms != 0;
    }
    if (is_timed) {
        made.timestamps_ms = (bindings_list_s64_t){saker_alloc(points.count * sizeof(int64_t)), points.count};
        for (size_t i = 0; i < points.count; i++) {
            int64_t timestamp_ms = points.items[i].timestamp_ms;
            made.timestamps_ms.ptr[i] = timestamp_ms ? timestamp_ms : run_ms;
        }
    }
    return made;
}

static exports_saker_plugin_collector_batch_t to_batch(saker_points points, int64_t run_ms) {
    const saker_definitions *next = saker_columns_take();
    exports_saker_plugin_collector_definition_t *define = saker_alloc(next->define_count * sizeof *define);
    for (size_t i = 0; i < next->define_count; i++) {
        define[i] = to_definition(&next->define[i]);
    }
    return (exports_saker_plugin_collector_batch_t){
        .forget = {.ptr = next->forget, .len = next->forget_count},
        .define = {.ptr = define, .len = next->define_count},
        .points = to_columns(points, run_ms),
    };
}

static void to_error(exports_saker_plugin_collector_collect_error_t *made) {
    const saker_error *error = &saker_last_error;
    switch (error->kind) {
    case SAKER_IS_DENIED:
        made->tag = EXPORTS_SAKER_PLUGIN_COLLECTOR_COLLECT_ERROR_DENIED;
        made->val.denied = saker_to_permission(error->permission, error->text);
        break;
    case SAKER_IS_UNAVAILABLE:
        made->tag = EXPORTS_SAKER_PLUGIN_COLLECTOR_COLLECT_ERROR_UNAVAILABLE;
        made->val.unavailable = saker_to_string(error->text);
        break;
    case SAKER_IS_MALFORMED:
        made->tag = EXPORTS_SAKER_PLUGIN_COLLECTOR_COLLECT_ERROR_MALFORMED;
        made->val.malformed = saker_to_string(error->text);
        break;
    default:
        made->tag = EXPORTS_SAKER_PLUGIN_COLLECTOR_COLLECT_ERROR_OTHER;
        made->val.other = saker_to_string(error->text);
    }
}

bool exports_saker_plugin_collector_collect(exports_saker_plugin_collector_run_t *run,
                                            exports_saker_plugin_collector_measurement_t *result,
                                            exports_saker_plugin_collector_collect_error_t *error) {
    saker_values values = {0};
    saker_run now = {.timestamp_ms = run->timestamp_ms, .interval_ms = run->interval_ms};
    if (!saker_collect(&saker_collector, now, &values)) {
        to_error(error);
        return false;
    }
    // Values beside columns go first: what is to be defined waits for the next run.
    if (!values.count && saker_columns_are_used(&values)) {
        result->tag = EXPORTS_SAKER_PLUGIN_COLLECTOR_MEASUREMENT_COLUMNS;
        result->val.columns = to_batch(values.columns, run->timestamp_ms);
        return true;
    }
    saker_plugin_types_sample_t *records = saker_alloc(values.count * sizeof *records);
    for (size_t i = 0; i < values.count; i++) {
        records[i] = to_value(values.items[i]);
    }
    result->tag = EXPORTS_SAKER_PLUGIN_COLLECTOR_MEASUREMENT_RECORDS;
    result->val.records.ptr = records;
    result->val.records.len = values.count;
    return true;
}

void exports_saker_plugin_collector_close(void) {
    saker_close(&saker_collector);
    saker_call_ends();
}

SAKER_POST_RETURN(collector, describe, "describe")
SAKER_POST_RETURN(collector, open, "open")
SAKER_POST_RETURN(collector, collect, "collect")
