// The exports of a processor.
#include "convert.h"

void exports_saker_plugin_processor_describe(exports_saker_plugin_processor_description_t *result) {
    saker_describe(&saker_processor, result);
}

bool exports_saker_plugin_processor_open(bindings_string_t *settings,
                                         exports_saker_plugin_processor_open_error_t *error) {
    return saker_open_world(&saker_processor, settings, error);
}

static exports_saker_plugin_processor_verdict_t judge(const saker_plugin_types_series_t *given) {
    saker_series series = saker_from_series(given);
    exports_saker_plugin_processor_verdict_t verdict = {0};
    switch (saker_map_series(&saker_processor, &series)) {
    case SAKER_KEEP:
        verdict.tag = EXPORTS_SAKER_PLUGIN_PROCESSOR_VERDICT_KEEP;
        break;
    case SAKER_DROP:
        verdict.tag = EXPORTS_SAKER_PLUGIN_PROCESSOR_VERDICT_DROP;
        break;
    case SAKER_CHANGE:
        verdict.tag = EXPORTS_SAKER_PLUGIN_PROCESSOR_VERDICT_CHANGE;
        verdict.val.change = saker_to_series(&series);
        break;
    case SAKER_FAIL:
        verdict.tag = EXPORTS_SAKER_PLUGIN_PROCESSOR_VERDICT_FAIL;
        verdict.val.fail.val.other = saker_to_string(saker_last_error.text);
        break;
    }
    return verdict;
}

void exports_saker_plugin_processor_map_series(exports_saker_plugin_processor_list_series_t *series,
                                               exports_saker_plugin_processor_list_verdict_t *result) {
    result->ptr = saker_alloc(series->len * sizeof *result->ptr);
    result->len = series->len;
    for (size_t i = 0; i < series->len; i++) {
        result->ptr[i] = judge(&series->ptr[i]);
    }
}

void exports_saker_plugin_processor_close(void) {
    saker_close(&saker_processor);
    saker_call_ends();
}

SAKER_POST_RETURN(processor, describe, "describe")
SAKER_POST_RETURN(processor, open, "open")
SAKER_POST_RETURN(processor, map_series, "map-series")
