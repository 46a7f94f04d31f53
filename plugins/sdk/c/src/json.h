/// A strict reader of JSON (RFC 8259). It makes no tree: a value is a place in the text, and is read where it stands.
#ifndef SAKER_JSON_H
#define SAKER_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "internal.h"

typedef enum saker_json_kind {
    SAKER_JSON_NULL,
    SAKER_JSON_FALSE,
    SAKER_JSON_TRUE,
    SAKER_JSON_NUMBER,
    SAKER_JSON_STRING,
    SAKER_JSON_LIST,
    SAKER_JSON_OBJECT,
} saker_json_kind;

/// A value: its kind, and its text from the first byte to the last.
typedef struct saker_json {
    saker_json_kind kind;
    const char *text;
    size_t length;
} saker_json;

/// Reads a text that is one value and nothing else. NULL if it is, otherwise what is wrong with it, and where.
const char *saker_json_read(const char *text, size_t length, saker_json *value);

/// The place before the first item of a list, or the first field of an object, that was read.
typedef struct saker_json_place {
    const char *at;
    const char *end;
} saker_json_place;

saker_json_place saker_json_first(const saker_json *container);

/// Reads the next item of a list, and moves on; false after the last.
bool saker_json_item(saker_json_place *place, saker_json *item);

/// Reads the next field of an object, and moves on; false after the last.
bool saker_json_field(saker_json_place *place, saker_json *key, saker_json *value);

/// A string without its escapes, in the call's memory; NULL if it holds the character U+0000, which no text may.
const char *saker_json_string(const saker_json *string);

/// A number; infinite if it is too large.
double saker_json_number(const saker_json *number);

/// Appends a text as a string.
void saker_json_append(saker_text *json, const char *text);

#endif
