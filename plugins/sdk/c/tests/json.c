// The reader of JSON, with everything that somebody might give it.
#include "../src/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../saker_test.h"

/// Reads from memory that ends where the text ends, so that the sanitizer sees every byte that is read beyond.
static const char *read_exactly(const char *text, size_t length, saker_json *value) {
    char *bytes = saker_arena_resize(&saker_call_arena, NULL, length);
    memcpy(bytes, text, length);
    return saker_json_read(bytes, length, value);
}

/// Reads all that stands in a value, strings and numbers included; returns how many values there are.
static size_t walk(const saker_json *value) {
    size_t count = 1;
    saker_json key, item;
    switch (value->kind) {
    case SAKER_JSON_LIST:
        for (saker_json_place place = saker_json_first(value); saker_json_item(&place, &item);) {
            count += walk(&item);
        }
        break;
    case SAKER_JSON_OBJECT:
        for (saker_json_place place = saker_json_first(value); saker_json_field(&place, &key, &item);) {
            saker_json_string(&key);
            count += walk(&item);
        }
        break;
    case SAKER_JSON_STRING:
        saker_json_string(value);
        break;
    case SAKER_JSON_NUMBER:
        saker_json_number(value);
        break;
    default:
        break;
    }
    return count;
}

static const char *wrong_with(const char *text) {
    saker_json value;
    return read_exactly(text, strlen(text), &value);
}

static const char *string_of(const char *text) {
    saker_json value;
    CHECK_TEXT(read_exactly(text, strlen(text), &value), NULL);
    CHECK(value.kind == SAKER_JSON_STRING);
    return saker_json_string(&value);
}

static double number_of(const char *text) {
    saker_json value;
    CHECK_TEXT(read_exactly(text, strlen(text), &value), NULL);
    CHECK(value.kind == SAKER_JSON_NUMBER);
    return saker_json_number(&value);
}

/// Checks that none of these texts, which NULL ends, is JSON.
static void check_bad(const char *const *texts) {
    for (; *texts; texts++) {
        CHECK(wrong_with(*texts));
    }
}

static const char everything[] =
    " { \"a\\u00e9\\ud83e\\udd80\\n\" : [ 1 , -0.5e-3 , \"\xC3\xA9\\\"\\\\\\/\" , true , false , null ] ,"
    "\t\"\" : { \"b\" : [ ] , \"c\" : { } , \"d\" : [ [ [ 12345678901234567890 ] ] ] } } \r\n";

TEST(a_text_is_read_whole) {
    saker_json value;
    CHECK_TEXT(read_exactly(everything, sizeof everything - 1, &value), NULL);
    CHECK_NUMBER(walk(&value), 15);
}

TEST(a_text_that_is_cut_anywhere_is_rejected) {
    saker_json value;
    size_t last = strlen(everything) - strlen(" \r\n");
    for (size_t length = 0; length < last; length++) {
        CHECK(read_exactly(everything, length, &value));
    }
    CHECK_TEXT(read_exactly(everything, last, &value), NULL);
}

TEST(a_text_with_any_byte_changed_does_no_harm) {
    char text[sizeof everything];
    for (size_t at = 0; at < sizeof everything - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, everything, sizeof everything);
            text[at] = (char)byte;
            saker_json value;
            if (!read_exactly(text, sizeof everything - 1, &value)) {
                walk(&value);
            }
        }
        saker_call_ends();
    }
}

TEST(texts_of_pieces_at_random_do_no_harm) {
    static const char *const pieces[] = {
        "{",    "}",    "[",       "]",    ",",    ":",    "\"",   "\\", "\\u",     "d8",    "00",
        "dc00", "\xA0", "\\ud83e", "null", "true", "1",    "-",    "e+", ".",       "0",     " ",
        "\n",   "x",    "\"a\"",   "\xF0", "\x9F", "\xED", "\"\"", "[[", "{\"a\":", "1e999", "\xE2\x82\xAC",
    };
    // Some generator of numbers, the same in every run.
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        saker_text text = {0};
        saker_append(&text, "%s", "");
        for (uint32_t left = (seed >> 16) % 12; left > 0; left--) {
            seed = seed * 1664525 + 1013904223;
            saker_append(&text, "%s", pieces[(seed >> 16) % (sizeof pieces / sizeof *pieces)]);
        }
        seed = seed * 1664525 + 1013904223;
        saker_json value;
        if (!read_exactly(text.bytes, text.length, &value)) {
            walk(&value);
        }
        saker_call_ends();
    }
}

/// `open` as many times, and then `close`.
static const char *nested(const char *open, const char *close, size_t depth) {
    saker_text text = {0};
    for (size_t i = 0; i < depth; i++) {
        saker_append(&text, "%s", open);
    }
    saker_append(&text, "1");
    for (size_t i = 0; i < depth; i++) {
        saker_append(&text, "%s", close);
    }
    return text.bytes;
}

TEST(no_depth_exhausts_the_stack) {
    static const char *const too_deep = "at most 64 lists and objects in each other";
    CHECK_TEXT(wrong_with(nested("[", "]", 64)), NULL);
    CHECK(strstr(wrong_with(nested("[", "]", 65)), too_deep));
    CHECK_TEXT(wrong_with(nested("{\"a\":", "}", 64)), NULL);
    CHECK(strstr(wrong_with(nested("{\"a\":", "}", 65)), too_deep));
    CHECK(strstr(wrong_with(nested("[", "", 1000000)), too_deep));
}

TEST(escapes_are_read_and_bad_ones_rejected) {
    CHECK_TEXT(string_of("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\/\b\f\n\r\t");
    CHECK_TEXT(string_of("\"\\u0041\\u00e9\\u20AC\""), "A\xC3\xA9\xE2\x82\xAC");
    static const char *const bad[] = {
        "\"\\x\"",     "\"\\\"",      "\"\\",        "\"\\u\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u-001\"",
        "\"\\u 041\"", "\"\\u{41}\"", "\"\\U0041\"", "\"\\0\"", "\"\\u004",  NULL,
    };
    check_bad(bad);
}

TEST(surrogates_stand_in_pairs) {
    CHECK_TEXT(string_of("\"\\ud83e\\udd80\""), "\xF0\x9F\xA6\x80");
    CHECK_TEXT(string_of("\"\\uD800\\uDC00\""), "\xF0\x90\x80\x80");
    CHECK_TEXT(string_of("\"\\uDBFF\\uDFFF\""), "\xF4\x8F\xBF\xBF");
    CHECK_TEXT(string_of("\"\\uD7FF\\uE000\""), "\xED\x9F\xBF\xEE\x80\x80");
    static const char *const bad[] = {
        "\"\\ud83e\"",    "\"\\udd80\"",  "\"\\udd80\\ud83e\"", "\"\\ud83e\\ud83e\"",
        "\"\\ud83e\\n\"", "\"\\ud83ex\"", "\"\\ud83e\\u0041\"", "\"\\ud83e\\udd\"",
        "\"\\ud83e\\u",   "\"\\ud83e\\",  "\"\\ud83e",          NULL,
    };
    check_bad(bad);
}

TEST(strings_are_utf8_without_control_characters) {
    static const char *const good = "\x7F\xC2\x80\xED\x9F\xBF\xEF\xBF\xBF\xF4\x8F\xBF\xBF";
    CHECK_TEXT(string_of(saker_format("\"%s\"", good)), good);
    static const char *const bad[] = {
        "\"\n\"",
        "\"\x1F\"",
        "\"\x80\"",
        "\"\xC0\x80\"",
        "\"\xC3\"",
        "\"\xC3",
        "\"\xE2\x82\"",
        "\"\xE0\x80\x80\"",
        "\"\xED\xA0\x80\"",
        "\"\xF0\x80\x80\x80\"",
        "\"\xFF\"",
        "\"\xF4\x90\x80\x80\"",
        "\"\xF5\x80\x80\x80\"",
        NULL,
    };
    check_bad(bad);
    saker_json value;
    CHECK(read_exactly("\"a\0b\"", 5, &value));
    CHECK(read_exactly("1\0", 2, &value));
    CHECK_TEXT(string_of("\"a\\u0000b\""), NULL);
}

TEST(numbers_keep_to_the_grammar) {
    CHECK_NUMBER(number_of("0"), 0);
    CHECK_NUMBER(number_of("-0.5e-3"), -0.0005);
    CHECK_NUMBER(number_of("1E+2"), 100);
    CHECK(isinf(number_of("1e999")));
    static const char *const bad[] = {
        "",    "-",   "+1",  "01",  "-01", "1.",        ".5",  "1e",    "1e+", "0x1",
        "1_0", "1 2", "NaN", "inf", "1,",  "-Infinity", "--1", "1e1.5", NULL,
    };
    check_bad(bad);
}

TEST(what_is_nearly_json_is_rejected_with_its_place) {
    CHECK_TEXT(wrong_with("[1,]"), "no JSON: expected a value at byte 3");
    CHECK_TEXT(wrong_with("{\"a\" 1}"), "no JSON: expected a colon at byte 5");
    CHECK_TEXT(wrong_with("{\"a\":1,}"), "no JSON: expected a string at byte 7");
    CHECK_TEXT(wrong_with("{} {}"), "no JSON: expected the end at byte 3");
    static const char *const bad[] = {
        " ",   "{",   "}",   "[",     "]",    "{a:1}", "{'a':1}", "{1:1}", "[1 2]",          "{\"a\":1 \"b\":2}",
        "[,]", "{,}", "nul", "nullx", "True", "[1]]",  "// a\n1", "\v1",   "\xEF\xBB\xBF{}", NULL,
    };
    check_bad(bad);
}

TEST(a_text_that_is_written_is_read_back) {
    static const char text[] = "\x01\b\n\"\\/\x7F\xC3\xA9\xF0\x9F\xA6\x80";
    saker_text json = {0};
    saker_json_append(&json, text);
    CHECK_TEXT(string_of(json.bytes), text);
    saker_text repaired = {0};
    saker_json_append(&repaired, "a\xFFz");
    CHECK_TEXT(string_of(repaired.bytes), "a\xEF\xBF\xBDz");
}
