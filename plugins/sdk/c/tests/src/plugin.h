#ifndef TESTS_PLUGIN_H
#define TESTS_PLUGIN_H

#include "../../saker.h"

extern struct settings {
    const char *url;
    const char *form;
    const char *token;
    double share;
    int64_t most;
    bool quick;
    saker_strings names;
} settings;

/// What the plugin's calls do. Forgotten at the end of a test.
extern struct calls {
    bool (*open)(void);
    bool (*collect)(saker_run run, saker_values *values);
    saker_verdict (*map_series)(saker_series *series);
    bool (*write)(const saker_point *points, size_t count);
} calls;

#endif
