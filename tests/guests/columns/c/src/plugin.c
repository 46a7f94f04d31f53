// Brings a hundred values in columns, of which one comes and goes.
#include "../sdk/saker.h"

enum { MOST = 100 };

static uint32_t handles[MOST];
static size_t runs;

static uint32_t define(size_t place) {
    saker_value *series = saker_gauge(NULL, "columns.value", 0);
    return saker_column_define(saker_with_tag(series, "place", saker_format("%zu", place)));
}

static bool collect(saker_run run, saker_values *values) {
    bool is_away = runs % 2 == 1;
    for (size_t i = runs == 0 ? 0 : MOST - 1; i < MOST && !is_away; i++) {
        handles[i] = define(i);
    }
    if (is_away) {
        saker_column_forget(values, handles[MOST - 1]);
    }
    for (size_t i = 0; i < (is_away ? MOST - 1 : MOST); i++) {
        saker_column_add(values, handles[i], (double)i + 0.5);
    }
    saker_column_add_at(values, handles[0], (double)runs, run.timestamp_ms - 1000);
    runs++;
    return true;
}

const saker_plugin saker_collector = {
    .name = "columns-c",
    .version = "0.1.0",
    .summary = "Brings values in columns",
    .collect = collect,
};
