// The log.
#include "internal.h"

void saker_log(saker_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *line = saker_arena_format(&saker_call_arena, format, arguments);
    va_end(arguments);
    saker_host_log(level, line);
}
