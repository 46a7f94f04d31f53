// The smallest backend: posts points as lines of endpoint, metric, time and value.
#include "../../../../plugins/sdk/c/saker.h"

static struct {
    const char *url;
} settings;

static saker_target target;

/// The text that stands for each series: it is built once, and not for every point.
static saker_slots heads;

static bool open_backend(void) {
    return saker_target_parse(&target, "url", settings.url);
}

static void define(uint32_t handle, const saker_series *series) {
    const char *endpoint = saker_tag_value(series->endpoint), *metric = saker_tag_value(series->metric);
    saker_slots_put(&heads, handle, "%s,%s", endpoint, metric);
}

static bool write_points(const saker_point *points, size_t count) {
    saker_text body = {0};
    for (size_t i = 0; i < count; i++) {
        const char *head;
        if (!saker_slots_get(&heads, points[i].series, &head)) {
            return false;
        }
        saker_append(&body, "%s,%" PRId64 ",", head, points[i].timestamp_ms);
        saker_append_number(&body, points[i].value);
        saker_append(&body, "\n");
    }
    static const saker_header headers[] = {{"content-type", "text/csv"}, {0}};
    saker_answer answer;
    return saker_post(&target, headers, body.bytes, body.length, &answer) && saker_written(&answer);
}

static void forget(uint32_t handle) {
    saker_slots_remove(&heads, handle);
}

static void close_backend(void) {
    saker_slots_clear(&heads);
}

const saker_plugin saker_backend = {
    .name = "smallest-backend",
    .version = "0.1.0",
    .summary = "Posts points as lines of endpoint, metric, time and value",
    .requests = {{SAKER_CONNECT, "<host:port of url>", "the points are posted there"}},
    .settings = {
        {.name = "url", .string = &settings.url, .required = true, .doc = "Where to post: http://host:port/path."},
    },
    .open = open_backend,
    .define = define,
    .write = write_points,
    .forget = forget,
    .close = close_backend,
};
