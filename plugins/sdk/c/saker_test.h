/// Unit tests of a plugin, run natively: `TEST` and the checks, and a fake of the agent that calls the plugin, keeps
/// its state and its log, and answers its requests.
///
/// A test includes the plugin's source, so that it reaches what is static there:
///
///     #include "src/plugin.c"
///     #include "sdk/saker_test.h"
///
///     TEST(three_averages_are_read) {
///         saker_values values = {0};
///         CHECK(parse("0.52 1.08 0.97 3/1482 2915012\n", "loadavg", &values));
///         CHECK_NUMBER(fake_value(&values, "load.one"), 0.52);
///     }
///
/// Before each test everything is as at the very first start.
#ifndef SAKER_TEST_H
#define SAKER_TEST_H

#include "saker.h"

// ---- Tests and checks --------------------------------------------------------------------------------------------

/// Defines a test. There is no list of them: each makes itself known before `main`.
#define TEST(name)                                                         \
    static void test_##name(void);                                         \
    __attribute__((constructor)) static void saker_add_test_##name(void) { \
        saker_add_test(#name, test_##name);                                \
    }                                                                      \
    static void test_##name(void)

/// Ends the test if this is not so.
#define CHECK(condition)                                            \
    do {                                                            \
        if (!(condition)) {                                         \
            saker_test_fails(__FILE__, __LINE__, "%s", #condition); \
        }                                                           \
    } while (0)

/// Ends the test if two texts differ. NULL is a text of its own.
#define CHECK_TEXT(found, expected) saker_check_text(__FILE__, __LINE__, #found, found, expected)

/// Ends the test if two numbers differ.
#define CHECK_NUMBER(found, expected) saker_check_number(__FILE__, __LINE__, #found, found, expected)

void saker_add_test(const char *name, void (*run)(void));
_Noreturn void saker_test_fails(const char *file, int line, const char *format, ...) SAKER_PRINTF(3, 4);
void saker_check_text(const char *file, int line, const char *what, const char *found, const char *expected);
void saker_check_number(const char *file, int line, const char *what, double found, double expected);

// ---- The calls of the agent --------------------------------------------------------------------------------------

/// Opens the plugin with these settings, a JSON object. If that fails, `saker_why` says why.
bool fake_open(const char *settings);

/// Runs the collector once. NULL if it failed.
const saker_values *fake_collect(int64_t timestamp_ms);

/// The value of the metric with this name, in columns or beside them; not a number if there is none.
double fake_value(const saker_values *values, const char *metric);

/// Asks a processor about a series, which is changed in its place.
saker_verdict fake_map_series(saker_series *series);

/// Gives a backend's series its handle.
void fake_define(uint32_t handle, const char *endpoint, const char *metric);

/// Has a backend write points.
bool fake_write(const saker_point *points, size_t count);

/// Takes a backend's handle back.
void fake_forget(uint32_t handle);

/// Closes the plugin.
void fake_close(void);

/// The JSON Schema that the plugin's settings become.
const char *fake_schema(void);

// ---- What the plugin has said, and is told -----------------------------------------------------------------------

/// A request that was posted.
typedef struct fake_request {
    saker_target target;
    /// The fields of the header, one `name: value` a line.
    const char *headers;
    const char *body;
} fake_request;

/// Queues the answer to one request. Without one, requests are answered 204. `retry_after_s` is 0 for none.
void fake_answer(int status, uint32_t retry_after_s, const char *body);

/// Queues a connection that fails, in these words.
void fake_no_answer(const char *why);

/// Queues a connection that is not granted.
void fake_deny(void);

/// The request that was posted as the first, second… (from 0); NULL if there were fewer.
const fake_request *fake_posted(size_t index);

/// The line that was logged as the first, second… (from 0), as "warn: text"; NULL if there were fewer.
const char *fake_logged(size_t index);

/// What was saved last, as a text; NULL if nothing was.
const char *fake_state(void);

/// What a counter or a gauge of the plugin's own stands at; not a number if there is none.
double fake_custom_metric(const char *name);

/// Makes `saker_filesystem_usage` answer for a path. All others are not there.
void fake_set_usage(const char *path, saker_usage usage);

#endif
