/// What the parts of the SDK know of each other, and authors need not.
#ifndef SAKER_INTERNAL_H
#define SAKER_INTERNAL_H

#include <stdarg.h>

#include "../saker.h"

// ---- Memory that is freed at once ----

/// Blocks of memory with one end. Starts as `{0}`.
typedef struct saker_arena {
    struct saker_block *first;
    char *at;
    char *end;
} saker_arena;

/// What lives until the call ends, and what lives until `close`.
extern saker_arena saker_call_arena, saker_life_arena;

/// What an allocation returned. Without memory, the plugin ends.
void *saker_checked(void *memory);

/// Memory of an arena, not filled. `align` is a power of two, at most 16.
void *saker_arena_alloc(saker_arena *arena, size_t size, size_t align);

/// A block of its own, which can be made larger: `block` is what this function returned before, or NULL.
void *saker_arena_resize(saker_arena *arena, void *block, size_t size);

/// Frees all memory of an arena but a little, for what comes next.
void saker_arena_clear(saker_arena *arena);

/// Frees that, too.
void saker_arena_free(saker_arena *arena);

/// A copy of these bytes, with a zero byte behind them.
char *saker_arena_copy(saker_arena *arena, const char *bytes, size_t length);

/// A text as of `vprintf`.
char *saker_arena_format(saker_arena *arena, const char *format, va_list arguments);

// ---- The error of a call ----

typedef enum saker_error_kind {
    SAKER_NO_ERROR,
    SAKER_IS_SETTINGS,
    SAKER_IS_DENIED,
    SAKER_IS_UNAVAILABLE,
    SAKER_IS_MALFORMED,
    SAKER_IS_FAILED,
    SAKER_IS_RETRY,
    SAKER_IS_REJECT,
    SAKER_IS_TOO_LARGE,
} saker_error_kind;

typedef struct saker_error {
    saker_error_kind kind;
    /// In words; for a permission, what it would be for.
    const char *text;
    saker_permission permission;
    uint32_t after_ms;
    /// The points that are rejected, counted from the call's first; none for all of them.
    uint32_t *points;
    size_t count;
} saker_error;

/// What was remembered last.
extern saker_error saker_last_error;

/// Forgets what was remembered. At the beginning of a call.
void saker_error_clear(void);

/// A destination takes no body of this size. Returns false.
bool saker_too_large(const char *text);

/// Makes sure that something is remembered of a call that failed: `call` is its name.
void saker_error_complete(const char *call);

// ---- Calls, as the agent and the tests make them ----

/// Frees what lives until the call ends. The agent has its result by then, and may be asked for nothing any more.
void saker_call_ends(void);

/// The JSON Schema of a plugin's settings.
const char *saker_schema(const saker_plugin *plugin);

/// Whether the plugin says for every setting where its value goes. If not, it is the author's mistake.
bool saker_check_settings(const saker_plugin *plugin);

/// Reads settings to where the plugin wants them.
bool saker_read_settings(const saker_plugin *plugin, const char *json, size_t length);

/// Reads the settings, and opens.
bool saker_open(const saker_plugin *plugin, const char *settings, size_t length);

/// Closes, and frees what lives until then.
void saker_close(const saker_plugin *plugin);

/// Measures once.
bool saker_collect(const saker_plugin *plugin, saker_run run, saker_values *values);

/// Judges a series.
saker_verdict saker_map_series(const saker_plugin *plugin, saker_series *series);

/// Gives a series its handle, and takes one back.
void saker_define(const saker_plugin *plugin, uint32_t handle, const saker_series *series);
void saker_forget(const saker_plugin *plugin, uint32_t handle);

/// How many points are offered to `write` at once. Halved for good where the destination takes no more.
extern size_t saker_write_most;

/// Writes all points, in as many pieces as it takes.
bool saker_write(const saker_plugin *plugin, const saker_point *points, size_t count);

// ---- Columns ----

/// A series, and the handle that stands for it.
typedef struct saker_definition {
    uint32_t handle;
    saker_value series;
} saker_definition;

/// What the agent does not know yet.
typedef struct saker_definitions {
    saker_definition *define;
    size_t define_count;
    uint32_t *forget;
    size_t forget_count;
} saker_definitions;

/// Begins a run: what was handed over is not handed over again.
void saker_columns_begin(void);

/// Hands over what the agent does not know yet. It lives until the next run begins.
const saker_definitions *saker_columns_take(void);

/// Whether there is something that only columns can say.
bool saker_columns_are_used(const saker_values *values);

/// Forgets all handles. For the end of an instance.
void saker_columns_clear(void);

// ---- UTF-8 ----

/// How many bytes the character at `at` has; 0 if it is none.
size_t saker_utf8_length(const char *at, const char *end);

/// The text, with U+FFFD for what is no UTF-8: the agent ends a plugin that hands over anything else.
const char *saker_utf8(const char *text);

// ---- What is the agent in the sandbox, and the fake in tests ----

void saker_host_log(saker_level level, const char *line);
/// Posts a body; gets what is there, if it is NULL.
bool saker_host_send(const saker_target *target, const saker_header *headers, const void *body, size_t length,
                     size_t most, saker_answer *answer);

/// Whether this error of opening or reading a file means that a permission is missing.
bool saker_host_denies(const char *path, int error);

#endif
