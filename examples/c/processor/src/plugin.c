// The smallest processor: says which rack the host stands in, and drops series by the beginning of their metric.
#include "../../../../plugins/sdk/c/saker.h"

static struct {
    const char *rack;
    saker_strings drop;
} settings;

static saker_verdict map_series(saker_series *series) {
    for (size_t i = 0; i < settings.drop.count; i++) {
        if (saker_starts_with(series->metric, settings.drop.items[i])) {
            return SAKER_DROP;
        }
    }
    return saker_tags_set(&series->tags, "rack", settings.rack) ? SAKER_CHANGE : SAKER_FAIL;
}

const saker_plugin saker_processor = {
    .name = "smallest-processor",
    .version = "0.1.0",
    .summary = "Says which rack the host stands in, and drops series",
    .settings = {
        {.name = "rack", .string = &settings.rack, .required = true, .doc = "The rack that this host stands in."},
        {.name = "drop", .strings = &settings.drop, .doc = "Metrics that begin with one of these are dropped."},
    },
    .map_series = map_series,
};
