// The smallest collector: the load averages of the host, from /proc/loadavg.
#include "../../../../plugins/sdk/c/saker.h"

static struct {
    const char *proc;
} settings;

/// The file holds three averages first: of 1, 5 and 15 minutes.
static bool parse(const char *text, const char *path, saker_values *values) {
    static const char *const metrics[] = {"load.one", "load.five", "load.fifteen"};
    for (size_t i = 0; i < 3; i++) {
        double average;
        if (!saker_number(saker_word(&text), path, &average)) {
            return false;
        }
        saker_gauge(values, metrics[i], average);
    }
    return true;
}

static bool collect(saker_run run, saker_values *values) {
    (void)run;
    const char *path = saker_format("%s/loadavg", settings.proc), *text;
    return saker_read(path, &text) && parse(text, path, values);
}

const saker_plugin saker_collector = {
    .name = "smallest-collector",
    .version = "0.1.0",
    .summary = "Load averages of the host",
    .requests = {{SAKER_READ, "/proc", "the averages are in /proc/loadavg"}},
    .settings = {
        {.name = "proc", .string = &settings.proc, .default_string = "/proc", .doc = "The proc file system."},
    },
    .collect = collect,
};
