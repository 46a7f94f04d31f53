/// What the author of a saker plugin in C needs: one `saker_plugin`, and functions to fill it with.
///
/// Memory: what these functions return lives until the call from the agent ends, and is freed then. What must live
/// longer is kept with `saker_keep`, in `saker_slots` or in `saker_rates`. Nothing is yours to free.
///
/// Errors: a function that can fail returns whether it has not, and the SDK remembers why. Return false in your turn,
/// and the agent is told. To say something yourself, return what one of the functions under "Errors" returns: false.
///
/// Texts are UTF-8 and end with a zero byte. Times are milliseconds since 1970-01-01 UTC.
#ifndef SAKER_H
#define SAKER_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAKER_PRINTF(format_at, first) __attribute__((format(printf, format_at, first)))

/// On functions that can fail: the compiler warns where nobody looks at what they return.
#define SAKER_CHECKED __attribute__((warn_unused_result))

// ---- Series and their values ------------------------------------------------------------------------------------

/// How a value is to be read.
typedef enum saker_metric_type {
    /// A level: stands for itself.
    SAKER_GAUGE,
    /// A total that only grows, and starts again at zero when its source restarts.
    SAKER_COUNTER,
    /// A total that may grow or shrink, stored as its rate of change.
    SAKER_DERIVE,
} saker_metric_type;

/// One `key=value` of a series. Neither part holds a control character; see `saker_tag_value`.
typedef struct saker_tag {
    const char *key;
    const char *value;
} saker_tag;

/// Tags, each key once.
typedef struct saker_tags {
    saker_tag *items;
    size_t count;
} saker_tags;

/// One measurement, made by `saker_gauge` and its like. Fields that are left as they are, the agent fills in.
typedef struct saker_value {
    /// Whose value it is; NULL for the agent's own endpoint, usually the host's name.
    const char *endpoint;
    const char *metric;
    saker_tags tags;
    saker_metric_type type;
    double value;
    /// When it was true; 0 for the run's own time.
    int64_t timestamp_ms;
    /// How often it is measured, in seconds; 0 for the run's interval.
    uint32_t step_s;
} saker_value;

/// One value of a series that a collector or the agent has given a handle.
typedef struct saker_point {
    /// The handle: of `saker_column_define`, or what a backend's `define` was given.
    uint32_t series;
    /// In a collector 0 for the run's own time.
    int64_t timestamp_ms;
    /// Finite.
    double value;
} saker_point;

/// Points, in their order.
typedef struct saker_points {
    saker_point *items;
    size_t count;
} saker_points;

/// The values of a run. Starts as `{0}`.
typedef struct saker_values {
    saker_value **items;
    size_t count;
    /// Those that were added by `saker_column_add`.
    saker_points columns;
} saker_values;

/// Adds a level that stands for itself. Where `values` is NULL, it is made and not added.
saker_value *saker_gauge(saker_values *values, const char *metric, double value);

/// Adds a total that only grows.
saker_value *saker_counter(saker_values *values, const char *metric, double value);

/// Adds a total that is stored as its rate of change.
saker_value *saker_derive(saker_values *values, const char *metric, double value);

/// Gives a value a tag, and returns the value: `saker_with_tag(saker_gauge(values, "cpu.busy", 7), "core", "0")`. A
/// text that a tag may not hold costs the value; see `saker_tag_value`.
saker_value *saker_with_tag(saker_value *value, const char *key, const char *text);

/// For a collector that brings hundreds of values of the same series at every run: names a series once, by a value that
/// was made with NULL in the place of values, and returns the handle that stands for it until `close`. Its values are
/// added by that handle, which costs 20 bytes each and no text. A run brings its values either in this way or in the
/// other.
///
///     handle = saker_column_define(saker_with_tag(saker_gauge(NULL, "container.cpu", 0), "id", id));
uint32_t saker_column_define(const saker_value *series);

/// Adds a value of the run's own time.
void saker_column_add(saker_values *values, uint32_t handle, double value);

/// Adds a value of another time.
void saker_column_add_at(saker_values *values, uint32_t handle, double value, int64_t timestamp_ms);

/// Takes a handle back: of a container that has gone, for one. Its values of this run go as well.
void saker_column_forget(saker_values *values, uint32_t handle);

/// What identifies a series.
typedef struct saker_series {
    const char *endpoint;
    const char *metric;
    saker_tags tags;
    saker_metric_type type;
    /// How often it is measured, in seconds.
    uint32_t step_s;
} saker_series;

/// Sets a tag, in the place of one of the same key. False, and failed, if the agent would not take the series then:
/// it takes 40 tags, and keys and values of 1 to 255 bytes.
SAKER_CHECKED bool saker_tags_set(saker_tags *tags, const char *key, const char *value);

/// The value of the tag with this key; NULL if there is none.
const char *saker_tags_get(const saker_tags *tags, const char *key);

/// `text` with `_` for what a tag may not hold: a control character.
const char *saker_tag_value(const char *text);

// ---- The plugin -------------------------------------------------------------------------------------------------

/// Something outside the sandbox. Nothing of it may be touched, unless the operator grants it.
typedef enum saker_permission {
    /// Read files below an absolute directory, or one file.
    SAKER_READ,
    /// Ask for the size and fill of the file systems mounted at or below an absolute directory.
    SAKER_STATFS,
    /// Connect to `host:port`.
    SAKER_CONNECT,
    /// Have a secret put by the agent into requests to `scheme://host:port`.
    SAKER_SECRET,
    /// See an environment variable of the agent.
    SAKER_ENV,
    /// Read and write files below an absolute directory.
    SAKER_WRITE,
    /// Keep files in a folder of its own, `/data`.
    SAKER_DATA_DIR,
    /// Write to the agent's standard output as it is.
    SAKER_STDOUT,
    /// Send requests over a Unix socket: `METHOD SOCKET PATH`, such as `GET /run/docker.sock /containers/`. The path is
    /// what a request's begins with, in whole segments, where `*` stands for any one.
    SAKER_UNIX,
} saker_permission;

/// A permission that the plugin would like to have.
typedef struct saker_request {
    saker_permission permission;
    /// Which directory, address or name; "" for `SAKER_DATA_DIR` and `SAKER_STDOUT`.
    const char *what;
    /// Why, in words for the operator who decides.
    const char *reason;
} saker_request;

/// Strings of a setting.
typedef struct saker_strings {
    const char *const *items;
    size_t count;
} saker_strings;

/// A setting. Which of the five pointers is given says what the value is and where it goes, before `open` is called;
/// it stays there until `close`. Field names and defaults become the JSON Schema that the agent checks.
typedef struct saker_setting {
    /// Its name: lower-case letters, digits and `_`.
    const char *name;
    /// What it means, in a sentence for the operator.
    const char *doc;
    /// Whether it must be given.
    bool required;
    const char **string;
    double *number;
    /// A whole number between -(2^53 - 1) and 2^53 - 1.
    int64_t *integer;
    bool *boolean;
    saker_strings *strings;
    /// What it is if it is not given. A string without a default is NULL then, and strings are none.
    const char *default_string;
    double default_number;
    int64_t default_integer;
    bool default_boolean;
} saker_setting;

/// Why this run is.
typedef struct saker_run {
    /// The time that the values are for.
    int64_t timestamp_ms;
    /// The interval between runs, in milliseconds.
    uint32_t interval_ms;
} saker_run;

/// What becomes of a series.
typedef enum saker_verdict {
    /// It stays as it is.
    SAKER_KEEP,
    /// Its values are dropped, and counted.
    SAKER_DROP,
    /// Its values belong to the series as you have changed it.
    SAKER_CHANGE,
    /// It could not be judged, and is asked about again. Say why with `saker_failed`.
    SAKER_FAIL,
} saker_verdict;

#define SAKER_REQUESTS_MAX 16
#define SAKER_SETTINGS_MAX 24

/// A plugin: what it says about itself, and what the agent calls; never two calls at the same time. Functions that
/// are not needed are left out.
typedef struct saker_plugin {
    /// A short name: lower-case letters, digits and `-`. The build names the file after it.
    const char *name;
    /// The plugin's own version.
    const char *version;
    /// What it does, in one line.
    const char *summary;
    /// A collector's interval where the operator sets none, in milliseconds; 0 for the agent's own.
    uint32_t every_ms;
    saker_request requests[SAKER_REQUESTS_MAX];
    saker_setting settings[SAKER_SETTINGS_MAX];

    /// Makes the instance ready. The settings have been read. A backend's destination need not be there yet.
    bool (*open)(void);
    /// The last call of an instance that ends in order.
    void (*close)(void);

    /// A collector's: measures once.
    bool (*collect)(saker_run run, saker_values *values);

    /// A processor's: judges one new series. The answer is remembered.
    saker_verdict (*map_series)(saker_series *series);

    /// A backend's: gives a series its handle. A handle that is defined again stands for the new series.
    void (*define)(uint32_t handle, const saker_series *series);
    /// A backend's: writes points, at least one, and returns when the destination has them. After a 413 (see
    /// `saker_written`) it is called again with fewer.
    bool (*write)(const saker_point *points, size_t count);
    /// A backend's: takes a handle back.
    void (*forget)(uint32_t handle);
} saker_plugin;

/// The plugin. Define one of these: which, says the kind.
extern const saker_plugin saker_collector, saker_processor, saker_backend;

// ---- Errors. All return false ------------------------------------------------------------------------------------

/// A setting is not usable, although it fits the schema: which, and what to write instead. For `open`.
bool saker_wrong_setting(const char *name, const char *format, ...) SAKER_PRINTF(2, 3);

/// A permission is missing.
bool saker_denied(saker_permission permission, const char *what);

/// What should be measured is not there or does not answer now. In `write`: try again later.
bool saker_unavailable(const char *format, ...) SAKER_PRINTF(1, 2);

/// What was read makes no sense: where it was read, and what was expected there. Reads "PLACE: expected …".
bool saker_malformed(const char *place, const char *format, ...) SAKER_PRINTF(2, 3);

/// Anything else. In `write`: this instance is of no more use, try another.
bool saker_failed(const char *format, ...) SAKER_PRINTF(1, 2);

/// For `write`: try the same points again, at the earliest after this many milliseconds if that is not 0.
bool saker_retry(uint32_t after_ms, const char *format, ...) SAKER_PRINTF(2, 3);

/// For `write`: the destination will never take any of these points.
bool saker_reject(const char *format, ...) SAKER_PRINTF(1, 2);

/// For `write`: the destination will never take this point, counted from the call's first, and nothing was written.
/// Call it once for each such point; the agent calls again without them.
bool saker_reject_point(size_t index, const char *format, ...) SAKER_PRINTF(2, 3);

/// What was remembered last in this call, in words; for those who go on after an error, and log it.
const char *saker_why(void);

// ---- Texts and numbers -------------------------------------------------------------------------------------------

/// Memory until the end of the call, filled with zeros.
void *saker_alloc(size_t size);

/// A text as of `printf`, until the end of the call.
const char *saker_format(const char *format, ...) SAKER_PRINTF(1, 2);

/// A text as of `printf`, until `close`.
const char *saker_keep(const char *format, ...) SAKER_PRINTF(1, 2);

/// Reads the whole of a small text file. If it cannot be read: denied if a permission is missing, unavailable
/// otherwise.
SAKER_CHECKED bool saker_read(const char *path, const char **text);

/// As `saker_read`, and with the length, for files that hold zero bytes, such as `/proc/PID/cmdline`.
SAKER_CHECKED bool saker_read_bytes(const char *path, const char **bytes, size_t *length);

/// As `saker_read`, where the file may be missing: `*text` is NULL then, and the result true.
SAKER_CHECKED bool saker_read_if_there(const char *path, const char **text);

/// A text file of `/proc` or `/sys` that is read at every run: opened once, and read again from its beginning. Starts as
/// `{.path = saker_keep(…)}`. What is read is what was opened: a file on a disk that is replaced by another under its name
/// goes on being the old one, so such a file is better read with `saker_read`.
typedef struct saker_kept_file {
    const char *path;
    /// The descriptor, and whether there is one.
    int file;
    bool is_open;
} saker_kept_file;

/// Reads the whole of a kept file, as it is now. If that fails or brings nothing, the path is opened again. Fails as
/// `saker_read`.
SAKER_CHECKED bool saker_read_kept(saker_kept_file *kept, const char **text);

/// Closes a kept file. For `close`; reading opens it again.
void saker_kept_close(saker_kept_file *kept);

/// The next line of `*text`, without its end, and moves on; NULL after the last.
const char *saker_line(const char **text);

/// The next word between white space of `*text`, and moves on; NULL after the last.
const char *saker_word(const char **text);

/// The next line of `*text` that is `key rest…` or `key: rest…`, without white space around its parts, and moves on;
/// false after the last.
SAKER_CHECKED bool saker_pair(const char **text, const char **key, const char **rest);

/// Reads the finite number that is all of `word`; NULL stands for a word that is missing. If it is none: malformed,
/// with the place that the word was read at.
SAKER_CHECKED bool saker_number(const char *word, const char *place, double *number);

/// Whether a text begins with another.
bool saker_starts_with(const char *text, const char *beginning);

/// A text that grows, until the end of the call. Starts as `{0}`.
typedef struct saker_text {
    char *bytes;
    size_t length;
    size_t room;
} saker_text;

/// Appends as `printf`.
void saker_append(saker_text *text, const char *format, ...) SAKER_PRINTF(2, 3);

/// Appends a number as short as it can be read back exactly.
void saker_append_number(saker_text *text, double number);

// ---- What lasts longer than a call -------------------------------------------------------------------------------

/// What a backend keeps for each series: a text, found by the handle. Starts as `{0}`.
typedef struct saker_slots {
    struct saker_slot **buckets;
    size_t room;
    size_t count;
} saker_slots;

/// Puts a text as of `printf` in the place of whatever the handle stood for.
void saker_slots_put(saker_slots *slots, uint32_t handle, const char *format, ...) SAKER_PRINTF(3, 4);

/// Finds what the handle stands for. Failed if that is nothing.
SAKER_CHECKED bool saker_slots_get(const saker_slots *slots, uint32_t handle, const char **text);

/// Empties the handle's place.
void saker_slots_remove(saker_slots *slots, uint32_t handle);

/// Empties all places. For `close`.
void saker_slots_clear(saker_slots *slots);

/// Readings of a run and of the one before, which make counters rates. Starts as `{0}`.
typedef struct saker_rates {
    struct saker_readings *now;
    struct saker_readings *before;
} saker_rates;

/// Notes the reading of a counter, and sets its rate per second since the run before. False, and no error, if there
/// is none: at the first reading, after a run without one, and when the counter went back. `name` tells counters
/// apart.
SAKER_CHECKED bool saker_rate(saker_rates *rates, saker_run run, const char *name, double reading,
                              double *per_second);

/// Forgets all readings. For `close`.
void saker_rates_clear(saker_rates *rates);

/// Keeps a few bytes for the instance that comes next: after a restart, or of a new version. They are kept only if
/// the call succeeds. False if there are more than the agent allows.
SAKER_CHECKED bool saker_save_state(const void *bytes, size_t length);

/// What was saved last, by this instance or by the one before; NULL if nothing was.
const void *saker_load_state(size_t *length);

// ---- The agent ---------------------------------------------------------------------------------------------------

/// How much a line of the log matters.
typedef enum saker_level {
    /// For the plugin's author.
    SAKER_DEBUG,
    /// Worth knowing once.
    SAKER_INFO,
    /// Something is wrong, and the plugin goes on.
    SAKER_WARN,
    /// Something is wrong, and values are missing because of it.
    SAKER_ERROR,
} saker_level;

/// Logs one line under the instance's name. `printf` does so as well, at level info.
void saker_log(saker_level level, const char *format, ...) SAKER_PRINTF(2, 3);

/// Adds to a counter of the plugin's own, which the agent shows on `/metrics`.
void saker_counter_add(const char *name, double amount);

/// Sets a gauge of the plugin's own.
void saker_gauge_set(const char *name, double value);

/// Size and fill of a file system, in bytes and inodes.
typedef struct saker_usage {
    uint64_t total_bytes;
    /// Free for the superuser.
    uint64_t free_bytes;
    /// Free for everyone else.
    uint64_t available_bytes;
    /// 0 where the file system does not count inodes.
    uint64_t total_inodes;
    uint64_t free_inodes;
} saker_usage;

/// The file system that holds an absolute path. False without the permission `SAKER_STATFS` (denied), and if the
/// system does not answer (unavailable).
SAKER_CHECKED bool saker_filesystem_usage(const char *path, saker_usage *usage);

// ---- HTTP --------------------------------------------------------------------------------------------------------

/// Where requests go. Made by `saker_target_parse`; lives until `close`.
typedef struct saker_target {
    /// Whether TLS is spoken. The agent does that.
    bool tls;
    /// `host` or `host:port`, as written.
    const char *authority;
    /// The path with its query.
    const char *path;
    /// The Unix socket that leads there; NULL if none does.
    const char *socket;
} saker_target;

/// A field of a request's header.
typedef struct saker_header {
    const char *name;
    const char *value;
} saker_header;

/// What a server answered.
typedef struct saker_answer {
    int status;
    /// What `Retry-After` said, in seconds; 0 if nothing.
    uint32_t retry_after_s;
    /// The first bytes of the body, as text.
    const char *body;
} saker_answer;

/// Takes an address such as `http://127.0.0.1:8086/write?db=metrics` apart. If it is none, `setting` is wrong: the
/// name of the setting that it comes from.
SAKER_CHECKED bool saker_target_parse(saker_target *target, const char *setting, const char *url);

/// What a server serves over a Unix socket, at a path that begins with `/`. Needs the permission `SAKER_UNIX`.
void saker_target_unix(saker_target *target, const char *socket, const char *path);

/// `host:port`, with the scheme's port where none is written: what a grant names. Of a Unix socket, its path.
const char *saker_target_address(const saker_target *target);

/// Posts a body, and waits for the answer. `headers` end with `{0}`; NULL for none. False if the address is not
/// granted (denied), and if there was no answer (unavailable).
SAKER_CHECKED bool saker_post(const saker_target *target, const saker_header *headers, const void *body,
                              size_t length, saker_answer *answer);

/// Asks for what is there, and waits for the answer, of whose body so many bytes are kept at most. Otherwise as
/// `saker_post`.
SAKER_CHECKED bool saker_get(const saker_target *target, const saker_header *headers, size_t most,
                             saker_answer *answer);

/// What an answer means for the points that were sent. True for 2xx. 400, 409, 415 and 422 reject them: the same
/// bytes will never be taken. After 413 the SDK calls `write` again with half as many, down to a single point, which
/// is rejected. Everything else is worth another try after what `Retry-After` said, a missing password or database
/// included: an operator can mend that, and lose nothing.
SAKER_CHECKED bool saker_written(const saker_answer *answer);

#endif
