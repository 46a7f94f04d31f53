// Reading the small text files of /proc and /sys.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

/// Bytes of the first read. The kernel makes these files as they are read and tells no size beforehand. Most fit into
/// one read of this size, and some under /proc/sys answer only the first one.
enum { FIRST_READ = 4 << 10 };

/// Reads an open file from its beginning into memory of the call. NULL if it cannot be read; `errno` says why. `again` is
/// for one that may have been read before, and can be read from anywhere.
static char *read_open(int file, bool again, size_t *length) {
    size_t room = FIRST_READ, filled = 0;
    char *bytes = saker_arena_resize(&saker_call_arena, NULL, room + 1);
    for (;;) {
        ssize_t count = again ? pread(file, bytes + filled, room - filled, (off_t)filled)
                              : read(file, bytes + filled, room - filled);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return NULL;
        }
        if (count == 0) {
            break;
        }
        filled += (size_t)count;
        if (filled == room) {
            room *= 2;
            bytes = saker_arena_resize(&saker_call_arena, bytes, room + 1);
        }
    }
    bytes[filled] = 0;
    *length = filled;
    return bytes;
}

/// Reads a file whole, as `read_open`.
static char *read_whole(const char *path, size_t *length) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return NULL;
    }
    char *bytes = read_open(file, false, length);
    int error = errno;
    close(file);
    errno = error;
    return bytes;
}

static bool cannot_read(const char *path, int error) {
    return saker_host_denies(path, error) ? saker_denied(SAKER_READ, path)
                                          : saker_unavailable("%s: %s", path, strerror(error));
}

bool saker_read_bytes(const char *path, const char **bytes, size_t *length) {
    *bytes = read_whole(path, length);
    return *bytes || cannot_read(path, errno);
}

bool saker_read(const char *path, const char **text) {
    size_t length;
    return saker_read_bytes(path, text, &length);
}

bool saker_read_if_there(const char *path, const char **text) {
    size_t length;
    *text = read_whole(path, &length);
    // A missing permission looks like a missing file at first, and must not pass for one.
    bool is_missing = !*text && (errno == ENOENT || errno == ENOTSUP) && !saker_host_denies(path, errno);
    return *text || is_missing || cannot_read(path, errno);
}

void saker_kept_close(saker_kept_file *kept) {
    if (kept->is_open) {
        close(kept->file);
        kept->is_open = false;
    }
}

bool saker_read_kept(saker_kept_file *kept, const char **text) {
    size_t length = 0;
    *text = kept->is_open ? read_open(kept->file, true, &length) : NULL;
    if (*text && length) {
        return true;
    }
    saker_kept_close(kept);
    kept->file = open(kept->path, O_RDONLY | O_CLOEXEC);
    if (kept->file < 0) {
        return cannot_read(kept->path, errno);
    }
    kept->is_open = true;
    *text = read_open(kept->file, true, &length);
    if (*text) {
        return true;
    }
    int error = errno;
    saker_kept_close(kept);
    return cannot_read(kept->path, error);
}
