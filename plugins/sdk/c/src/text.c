// Texts that grow, and the words, lines and numbers in them.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

void saker_append(saker_text *text, const char *format, ...) {
    for (;;) {
        size_t left = text->room - text->length;
        va_list arguments;
        va_start(arguments, format);
        int length = vsnprintf(text->bytes ? text->bytes + text->length : NULL, left, format, arguments);
        va_end(arguments);
        // Only a format of wide characters can fail, and no text of ours has any.
        size_t more = length < 0 ? 0 : (size_t)length;
        if (more < left) {
            text->length += more;
            return;
        }
        text->room = 2 * text->room + more + 64;
        text->bytes = saker_arena_resize(&saker_call_arena, text->bytes, text->room);
    }
}

void saker_append_number(saker_text *text, double number) {
    bool is_whole = fabs(number) < 1e15 && number == trunc(number);
    if (is_whole) {
        saker_append(text, "%" PRId64, (int64_t)number);
        return;
    }
    char digits[32];
    // 15 digits are enough for most numbers that people or programs have written, 17 for every one.
    snprintf(digits, sizeof digits, "%.15g", number);
    if (strtod(digits, NULL) != number) {
        snprintf(digits, sizeof digits, "%.17g", number);
    }
    saker_append(text, "%s", digits);
}

static bool is_space(char letter) {
    return letter == ' ' || (letter >= '\t' && letter <= '\r');
}

const char *saker_line(const char **text) {
    const char *line = *text;
    if (!*line) {
        return NULL;
    }
    size_t length = strcspn(line, "\n");
    *text = line + length + (line[length] == '\n');
    return saker_arena_copy(&saker_call_arena, line, length);
}

const char *saker_word(const char **text) {
    const char *word = *text;
    while (is_space(*word)) {
        word++;
    }
    size_t length = 0;
    while (word[length] && !is_space(word[length])) {
        length++;
    }
    *text = word + length;
    return length ? saker_arena_copy(&saker_call_arena, word, length) : NULL;
}

bool saker_pair(const char **text, const char **key, const char **rest) {
    for (const char *line = saker_line(text); line; line = saker_line(text)) {
        line += strspn(line, " \t\r");
        size_t length = strcspn(line, " \t:");
        if (length == 0 || !line[length]) {
            continue;
        }
        const char *found = line + length;
        found += strspn(found, " \t:");
        size_t kept = strlen(found);
        while (kept && is_space(found[kept - 1])) {
            kept--;
        }
        *key = saker_arena_copy(&saker_call_arena, line, length);
        *rest = saker_arena_copy(&saker_call_arena, found, kept);
        return true;
    }
    return false;
}

bool saker_number(const char *word, const char *place, double *number) {
    if (!word) {
        return saker_malformed(place, "a number, found the end");
    }
    // `strtod` alone would also take hexadecimal numbers, "inf" and "nan".
    bool is_plain = *word && !word[strspn(word, "0123456789+-.eE")];
    char *end = NULL;
    double read = is_plain ? strtod(word, &end) : 0;
    if (!is_plain || *end || !isfinite(read)) {
        return saker_malformed(place, "a number, found \"%.60s\"", word);
    }
    *number = read;
    return true;
}

bool saker_starts_with(const char *text, const char *beginning) {
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

const char *saker_tag_value(const char *text) {
    char *clean = saker_arena_copy(&saker_call_arena, text, strlen(text)), *out = clean;
    while (*text) {
        unsigned char byte = (unsigned char)text[0], next = (unsigned char)text[1];
        // U+0080 to U+009F are control characters as well.
        bool is_late_control = byte == 0xC2 && next >= 0x80 && next <= 0x9F;
        bool is_usable = byte >= 0x20 && byte != 0x7F && !is_late_control;
        *out++ = is_usable ? text[0] : '_';
        text += is_late_control ? 2 : 1;
    }
    *out = 0;
    return clean;
}
