// A backend's call in pieces that its destination takes. Where single points are rejected, the agent calls again with
// the others, those that were taken included: a destination must not mind.
#include "internal.h"

/// Single points that a destination may call too large in one call. More say that it takes nothing at all.
enum { TOO_LARGE_MAX = 4 };

size_t saker_write_most;

/// What is rejected so far.
typedef struct rejected {
    uint32_t *points;
    size_t count;
    size_t too_large;
    const char *why;
} rejected;

/// Notes that points of a piece are rejected: those that are named, or all.
static void note(rejected *all, size_t at, size_t count) {
    const saker_error *error = &saker_last_error;
    size_t named = error->kind == SAKER_IS_REJECT ? error->count : 0;
    size_t more = named ? named : count;
    size_t size = (all->count + more) * sizeof *all->points;
    all->points = saker_arena_resize(&saker_call_arena, all->points, size);
    for (size_t i = 0; i < more; i++) {
        all->points[all->count++] = (uint32_t)(at + (named ? error->points[i] : i));
    }
    all->why = error->text;
}

static bool end(const rejected *all, size_t count) {
    if (all->too_large == TOO_LARGE_MAX) {
        return saker_retry(0, "not even a single point is small enough: %s", all->why);
    }
    if (all->count == 0) {
        return true;
    }
    saker_reject("%s", all->why);
    if (all->count < count) {
        saker_last_error.points = all->points;
        saker_last_error.count = all->count;
    }
    return false;
}

bool saker_write(const saker_plugin *plugin, const saker_point *points, size_t count) {
    rejected all = {0};
    if (!plugin->write) {
        saker_error_clear();
        return saker_failed("the plugin has no write");
    }
    for (size_t at = 0; at < count && all.too_large < TOO_LARGE_MAX;) {
        size_t now = count - at < saker_write_most ? count - at : saker_write_most;
        saker_error_clear();
        if (plugin->write(points + at, now)) {
            at += now;
            continue;
        }
        saker_error_complete("write");
        saker_error_kind kind = saker_last_error.kind;
        if (kind == SAKER_IS_TOO_LARGE && now > 1) {
            saker_write_most = now / 2;
            continue;
        }
        if (kind != SAKER_IS_TOO_LARGE && kind != SAKER_IS_REJECT) {
            return false;
        }
        all.too_large += kind == SAKER_IS_TOO_LARGE;
        note(&all, at, now);
        at += now;
    }
    saker_error_clear();
    return end(&all, count);
}
