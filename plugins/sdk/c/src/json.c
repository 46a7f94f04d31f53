#include "json.h"

#include <stdlib.h>
#include <string.h>

/// How deep values may stand in each other, so that no text exhausts the stack.
enum { DEPTH_MAX = 64 };

typedef struct reader {
    const char *at;
    const char *end;
    /// What should have stood at `at`.
    const char *expected;
} reader;

static bool wrong(reader *r, const char *expected) {
    r->expected = expected;
    return false;
}

/// The byte that comes next; 0 at the end, which no valid text holds either.
static char next(const reader *r) {
    return r->at < r->end ? *r->at : 0;
}

static bool take(reader *r, char byte) {
    bool is_there = r->at < r->end && *r->at == byte;
    r->at += is_there;
    return is_there;
}

static void skip_space(reader *r) {
    while (take(r, ' ') || take(r, '\t') || take(r, '\n') || take(r, '\r')) {
    }
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool digits(reader *r) {
    if (!is_digit(next(r))) {
        return wrong(r, "a digit");
    }
    while (is_digit(next(r))) {
        r->at++;
    }
    return true;
}

static bool number(reader *r) {
    take(r, '-');
    if (!take(r, '0') && !digits(r)) {
        return false;
    }
    if (take(r, '.') && !digits(r)) {
        return false;
    }
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+')) {
            take(r, '-');
        }
        return digits(r);
    }
    return true;
}

/// The value of four hexadecimal digits; -1 if they are none.
static int hexadecimal(const char *at, const char *end) {
    int value = 0;
    for (int i = 0; i < 4; i++, at++) {
        char byte = at < end ? *at : 0;
        if (is_digit(byte)) {
            value = value << 4 | (byte - '0');
        } else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f') {
            value = value << 4 | ((byte | 0x20) - 'a' + 10);
        } else {
            return -1;
        }
    }
    return value;
}

static bool is_high_surrogate(int unit) {
    return unit >= 0xD800 && unit < 0xDC00;
}

static bool is_low_surrogate(int unit) {
    return unit >= 0xDC00 && unit < 0xE000;
}

/// What follows a backslash.
static bool escape(reader *r) {
    char byte = next(r);
    if (byte != 'u') {
        if (byte == 0 || !strchr("\"\\/bfnrt", byte)) {
            return wrong(r, "an escape such as \\n");
        }
        r->at++;
        return true;
    }
    int unit = hexadecimal(r->at + 1, r->end);
    if (unit < 0) {
        return wrong(r, "u and four hexadecimal digits");
    }
    if (is_low_surrogate(unit)) {
        return wrong(r, "the first half of a surrogate pair before the second");
    }
    r->at += 5;
    if (is_high_surrogate(unit)) {
        bool is_escape = r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u';
        if (!is_escape || !is_low_surrogate(hexadecimal(r->at + 2, r->end))) {
            return wrong(r, "the second half of a surrogate pair");
        }
        r->at += 6;
    }
    return true;
}

static bool string(reader *r) {
    if (!take(r, '"')) {
        return wrong(r, "a string");
    }
    while (!take(r, '"')) {
        if (r->at == r->end) {
            return wrong(r, "the end of the string");
        }
        if (take(r, '\\')) {
            if (!escape(r)) {
                return false;
            }
            continue;
        }
        size_t length = saker_utf8_length(r->at, r->end);
        if (length == 0 || (unsigned char)*r->at < 0x20) {
            return wrong(r, "a character of a string");
        }
        r->at += length;
    }
    return true;
}

static bool word(reader *r, const char *letters) {
    for (; *letters; letters++) {
        if (!take(r, *letters)) {
            return wrong(r, "true, false or null");
        }
    }
    return true;
}

static bool value(reader *r, int depth, saker_json *found);

static bool field(reader *r, int depth, saker_json *key, saker_json *found) {
    skip_space(r);
    *key = (saker_json){.kind = SAKER_JSON_STRING, .text = r->at};
    if (!string(r)) {
        return false;
    }
    key->length = (size_t)(r->at - key->text);
    skip_space(r);
    return take(r, ':') ? value(r, depth, found) : wrong(r, "a colon");
}

static bool container(reader *r, int depth, char end) {
    if (depth == DEPTH_MAX) {
        return wrong(r, "at most 64 lists and objects in each other");
    }
    r->at++;
    skip_space(r);
    if (take(r, end)) {
        return true;
    }
    do {
        saker_json key, found;
        if (end == '}' ? !field(r, depth + 1, &key, &found) : !value(r, depth + 1, &found)) {
            return false;
        }
        skip_space(r);
    } while (take(r, ','));
    return take(r, end) || wrong(r, end == '}' ? "a comma or }" : "a comma or ]");
}

static bool value(reader *r, int depth, saker_json *found) {
    skip_space(r);
    *found = (saker_json){.text = r->at};
    bool is_valid;
    switch (next(r)) {
    case '{':
        found->kind = SAKER_JSON_OBJECT;
        is_valid = container(r, depth, '}');
        break;
    case '[':
        found->kind = SAKER_JSON_LIST;
        is_valid = container(r, depth, ']');
        break;
    case '"':
        found->kind = SAKER_JSON_STRING;
        is_valid = string(r);
        break;
    case 't':
        found->kind = SAKER_JSON_TRUE;
        is_valid = word(r, "true");
        break;
    case 'f':
        found->kind = SAKER_JSON_FALSE;
        is_valid = word(r, "false");
        break;
    case 'n':
        found->kind = SAKER_JSON_NULL;
        is_valid = word(r, "null");
        break;
    default:
        found->kind = SAKER_JSON_NUMBER;
        if (next(r) != '-' && !is_digit(next(r))) {
            return wrong(r, "a value");
        }
        is_valid = number(r);
    }
    found->length = (size_t)(r->at - found->text);
    return is_valid;
}

const char *saker_json_read(const char *text, size_t length, saker_json *found) {
    reader r = {.at = text, .end = text + length};
    if (value(&r, 0, found)) {
        skip_space(&r);
        if (r.at == r.end) {
            return NULL;
        }
        wrong(&r, "the end");
    }
    return saker_format("no JSON: expected %s at byte %td", r.expected, r.at - text);
}

saker_json_place saker_json_first(const saker_json *container) {
    return (saker_json_place){.at = container->text + 1, .end = container->text + container->length - 1};
}

/// Moves to what comes next in a container that is known to be valid; false at its end.
static bool advance(reader *r) {
    skip_space(r);
    take(r, ',');
    return r->at < r->end;
}

bool saker_json_item(saker_json_place *place, saker_json *item) {
    reader r = {.at = place->at, .end = place->end};
    bool is_there = advance(&r) && value(&r, 0, item);
    place->at = r.at;
    return is_there;
}

bool saker_json_field(saker_json_place *place, saker_json *key, saker_json *found) {
    reader r = {.at = place->at, .end = place->end};
    bool is_there = advance(&r) && field(&r, 0, key, found);
    place->at = r.at;
    return is_there;
}

static char *put_utf8(char *out, int code) {
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = (char)(0xE0 | code >> 12);
        } else {
            *out++ = (char)(0xF0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 0x3F));
        }
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    }
    *out++ = (char)(0x80 | (code & 0x3F));
    return out;
}

const char *saker_json_string(const saker_json *string) {
    const char *at = string->text + 1, *end = string->text + string->length - 1;
    // No escape is shorter than what it stands for.
    char *text = saker_arena_alloc(&saker_call_arena, string->length, 1), *out = text;
    while (at < end) {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        if (at[1] != 'u') {
            static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
            const char *letter = strchr(letters, at[1]);
            *out++ = letter ? meanings[letter - letters] : at[1];
            at += 2;
            continue;
        }
        int code = hexadecimal(at + 2, end);
        at += 6;
        if (is_high_surrogate(code)) {
            code = 0x10000 + ((code - 0xD800) << 10) + (hexadecimal(at + 2, end) - 0xDC00);
            at += 6;
        }
        if (code == 0) {
            return NULL;
        }
        out = put_utf8(out, code);
    }
    *out = 0;
    return text;
}

double saker_json_number(const saker_json *number) {
    return strtod(saker_arena_copy(&saker_call_arena, number->text, number->length), NULL);
}

void saker_json_append(saker_text *json, const char *text) {
    saker_append(json, "\"");
    for (const char *at = saker_utf8(text); *at;) {
        size_t plain = 0;
        while ((unsigned char)at[plain] >= 0x20 && at[plain] != '"' && at[plain] != '\\') {
            plain++;
        }
        saker_append(json, "%.*s", (int)plain, at);
        at += plain;
        if (*at) {
            saker_append(json, "\\u%04x", (unsigned)*at++);
        }
    }
    saker_append(json, "\"");
}
