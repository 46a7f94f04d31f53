// The fake of the agent: its calls, its log, its state and its figures. The build says which of the three plugins
// SAKER_PLUGIN is.
#include <math.h>
#include <string.h>

#include "fake.h"

saker_arena fake_arena;

/// How many lines, figures and file systems the fake remembers. More are forgotten.
enum { MOST = 1000 };

typedef struct figure {
    const char *name;
    double value;
} figure;

typedef struct file_system {
    const char *path;
    saker_usage usage;
} file_system;

static struct {
    const char *lines[MOST];
    size_t line_count;
    figure figures[MOST];
    size_t figure_count;
    file_system file_systems[MOST];
    size_t file_system_count;
    const char *state;
    size_t state_length;
} agent;

/// The names of the series that a collector has defined, by their handles.
static const char *metrics[MOST];

const char *fake_copy(const char *text) {
    return saker_arena_copy(&fake_arena, text, strlen(text));
}

void fake_reset_agent(void) {
    memset(&agent, 0, sizeof agent);
    memset(metrics, 0, sizeof metrics);
    fake_reset_http();
    saker_arena_free(&fake_arena);
}

bool fake_open(const char *settings) {
    return saker_open(&SAKER_PLUGIN, settings, strlen(settings));
}

static void learn(void) {
    const saker_definitions *next = saker_columns_take();
    for (size_t i = 0; i < next->forget_count; i++) {
        if (next->forget[i] < MOST) {
            metrics[next->forget[i]] = NULL;
        }
    }
    for (size_t i = 0; i < next->define_count; i++) {
        if (next->define[i].handle < MOST) {
            metrics[next->define[i].handle] = fake_copy(next->define[i].series.metric);
        }
    }
}

static bool is_of(const saker_point *point, const char *metric) {
    return point->series < MOST && metrics[point->series] && strcmp(metrics[point->series], metric) == 0;
}

const saker_values *fake_collect(int64_t timestamp_ms) {
    saker_run run = {.timestamp_ms = timestamp_ms, .interval_ms = 10000};
    saker_values *values = saker_alloc(sizeof *values);
    if (!saker_collect(&SAKER_PLUGIN, run, values)) {
        return NULL;
    }
    if (saker_columns_are_used(values)) {
        learn();
    }
    return values;
}

double fake_value(const saker_values *values, const char *metric) {
    for (size_t i = 0; values && i < values->count; i++) {
        if (strcmp(values->items[i]->metric, metric) == 0) {
            return values->items[i]->value;
        }
    }
    for (size_t i = 0; values && i < values->columns.count; i++) {
        if (is_of(&values->columns.items[i], metric)) {
            return values->columns.items[i].value;
        }
    }
    return NAN;
}

saker_verdict fake_map_series(saker_series *series) {
    return saker_map_series(&SAKER_PLUGIN, series);
}

void fake_define(uint32_t handle, const char *endpoint, const char *metric) {
    saker_series series = {.endpoint = endpoint, .metric = metric, .step_s = 10};
    saker_define(&SAKER_PLUGIN, handle, &series);
}

bool fake_write(const saker_point *points, size_t count) {
    return saker_write(&SAKER_PLUGIN, points, count);
}

void fake_forget(uint32_t handle) {
    saker_forget(&SAKER_PLUGIN, handle);
}

void fake_close(void) {
    saker_close(&SAKER_PLUGIN);
}

const char *fake_schema(void) {
    return saker_schema(&SAKER_PLUGIN);
}

void saker_host_log(saker_level level, const char *line) {
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    if (agent.line_count < MOST) {
        agent.lines[agent.line_count++] = fake_copy(saker_format("%s: %s", levels[level], line));
    }
}

const char *fake_logged(size_t index) {
    return index < agent.line_count ? agent.lines[index] : NULL;
}

bool saker_save_state(const void *bytes, size_t length) {
    agent.state = saker_arena_copy(&fake_arena, bytes, length);
    agent.state_length = length;
    return true;
}

const void *saker_load_state(size_t *length) {
    *length = agent.state_length;
    return agent.state;
}

const char *fake_state(void) {
    return agent.state;
}

/// The place of a figure: a new one if there is none of this name. The last is shared when there are too many.
static figure *find_figure(const char *name) {
    size_t at = 0;
    while (at < agent.figure_count && strcmp(agent.figures[at].name, name) != 0) {
        at++;
    }
    if (at == agent.figure_count && agent.figure_count < MOST) {
        agent.figures[agent.figure_count++].name = fake_copy(name);
    }
    return &agent.figures[at < MOST ? at : MOST - 1];
}

void saker_counter_add(const char *name, double amount) {
    // As in the contract: such an amount is ignored.
    if (isfinite(amount) && amount >= 0) {
        find_figure(name)->value += amount;
    }
}

void saker_gauge_set(const char *name, double value) {
    find_figure(name)->value = value;
}

double fake_custom_metric(const char *name) {
    for (size_t i = 0; i < agent.figure_count; i++) {
        if (strcmp(agent.figures[i].name, name) == 0) {
            return agent.figures[i].value;
        }
    }
    return NAN;
}

void fake_set_usage(const char *path, saker_usage usage) {
    if (agent.file_system_count < MOST) {
        agent.file_systems[agent.file_system_count++] = (file_system){.path = fake_copy(path), .usage = usage};
    }
}

bool saker_filesystem_usage(const char *path, saker_usage *usage) {
    for (size_t i = agent.file_system_count; i-- > 0;) {
        if (strcmp(agent.file_systems[i].path, path) == 0) {
            *usage = agent.file_systems[i].usage;
            return true;
        }
    }
    return saker_unavailable("%s: No such file or directory", path);
}

/// Outside the sandbox nothing is granted or denied.
bool saker_host_denies(const char *path, int error) {
    (void)path;
    (void)error;
    return false;
}
