// A plugin that is all kinds at once, so that one program tests everything. Its calls do what the tests tell them.
#include "plugin.h"

struct settings settings;
struct calls calls;

static bool open_plugin(void) {
    return !calls.open || calls.open();
}

static void close_plugin(void) {
    calls = (struct calls){0};
}

static bool collect(saker_run run, saker_values *values) {
    return calls.collect(run, values);
}

static saker_verdict map_series(saker_series *series) {
    return calls.map_series(series);
}

static bool write_points(const saker_point *points, size_t count) {
    return calls.write(points, count);
}

const saker_plugin saker_backend = {
    .name = "everything",
    .version = "0.1.0",
    .summary = "Tests the SDK",
    .requests = {{SAKER_READ, "/proc", "for tests"}, {SAKER_STDOUT, "", "for tests"}},
    .settings = {
        {.name = "url", .string = &settings.url, .required = true, .doc = "Where to \"send\"."},
        {.name = "form", .string = &settings.form, .default_string = "json"},
        {.name = "token", .string = &settings.token},
        {.name = "share", .number = &settings.share, .default_number = 0.1},
        {.name = "most", .integer = &settings.most, .default_integer = 7},
        {.name = "quick", .boolean = &settings.quick, .default_boolean = true},
        {.name = "names", .strings = &settings.names},
    },
    .open = open_plugin,
    .collect = collect,
    .map_series = map_series,
    .write = write_points,
    .close = close_plugin,
};
