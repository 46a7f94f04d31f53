// Settings: defaults, values, mistakes, and the schema.
#include <string.h>

#include "../saker_test.h"
#include "../src/json.h"
#include "src/plugin.h"

/// Opens, which must fail, and says why.
static const char *mistake(const char *json) {
    CHECK(!fake_open(json));
    return saker_why();
}

TEST(defaults_fill_what_is_left_out) {
    CHECK(fake_open("{\"url\": \"u\"}"));
    CHECK_TEXT(settings.url, "u");
    CHECK_TEXT(settings.form, "json");
    CHECK_TEXT(settings.token, NULL);
    CHECK_NUMBER(settings.share, 0.1);
    CHECK_NUMBER((double)settings.most, 7);
    CHECK(settings.quick);
    CHECK_NUMBER(settings.names.count, 0);
}

TEST(what_is_given_is_read) {
    CHECK(fake_open("{\"url\": \"\", \"form\": \"\\u00e9\", \"token\": \"t\", \"share\": 2, \"most\": -1e3, "
                    "\"quick\": false, \"names\": [\"a\", \"b,c\"]}"));
    CHECK_TEXT(settings.url, "");
    CHECK_TEXT(settings.form, "\xC3\xA9");
    CHECK_TEXT(settings.token, "t");
    CHECK_NUMBER(settings.share, 2);
    CHECK_NUMBER((double)settings.most, -1000);
    CHECK(!settings.quick);
    CHECK_NUMBER(settings.names.count, 2);
    CHECK_TEXT(settings.names.items[1], "b,c");
}

TEST(another_opening_forgets_the_one_before) {
    CHECK(fake_open("{\"url\": \"u\", \"names\": [\"a\"], \"quick\": false}"));
    CHECK(fake_open("{\"url\": \"v\"}"));
    CHECK_TEXT(settings.url, "v");
    CHECK_NUMBER(settings.names.count, 0);
    CHECK(settings.quick);
}

TEST(settings_live_until_the_instance_is_closed) {
    CHECK(fake_open("{\"url\": \"u\", \"names\": [\"a\"]}"));
    saker_call_ends();
    CHECK_TEXT(settings.url, "u");
    CHECK_TEXT(settings.names.items[0], "a");
}

TEST(a_wrong_setting_is_named_with_what_to_write) {
    CHECK_TEXT(mistake("{}"), "settings: url: missing, and it has no default");
    CHECK_TEXT(mistake("{\"url\": 1}"), "settings: url: expected a string, found 1");
    CHECK_TEXT(mistake("{\"url\": null}"), "settings: url: expected a string, found null");
    CHECK_TEXT(mistake("{\"share\": \"x\"}"), "settings: share: expected a number, found \"x\"");
    CHECK_TEXT(mistake("{\"share\": 1e999}"), "settings: share: expected a number, found 1e999");
    CHECK_TEXT(mistake("{\"most\": 1.5}"), "settings: most: expected a whole number of at most 2^53 - 1, found 1.5");
    CHECK(strstr(mistake("{\"most\": 9007199254740992}"), "most: expected a whole number"));
    CHECK(strstr(mistake("{\"most\": true}"), "most: expected a whole number"));
    CHECK_TEXT(mistake("{\"quick\": 0}"), "settings: quick: expected true or false, found 0");
    CHECK_TEXT(mistake("{\"names\": {}}"), "settings: names: expected a list of strings, found {}");
    CHECK_TEXT(mistake("{\"names\": [\"a\", 2]}"), "settings: names: item 1: expected a string, found 2");
    CHECK_TEXT(mistake("{\"url\": \"a\\u0000\"}"), "settings: url: expected a string without \\u0000");
    CHECK_TEXT(mistake("{\"url\": \"u\", \"url\": \"v\"}"), "settings: url: given twice");
    CHECK_TEXT(mistake("{\"ulr\": 1}"),
               "settings: ulr: no such setting; there is url, form, token, share, most, quick, names");
    CHECK_TEXT(mistake("[]"), "settings: settings: expected an object");
    CHECK_TEXT(mistake("{"), "settings: settings: no JSON: expected a string at byte 1");
}

TEST(of_a_long_value_the_beginning_is_shown) {
    saker_text json = {0};
    saker_append(&json, "{\"quick\": \"%0200d\"}", 0);
    CHECK(strlen(mistake(json.bytes)) < 120);
}

static const saker_json *field(const saker_json *object, const char *name) {
    saker_json key, *found = saker_alloc(sizeof *found);
    for (saker_json_place place = saker_json_first(object); saker_json_field(&place, &key, found);) {
        if (strcmp(saker_json_string(&key), name) == 0) {
            return found;
        }
    }
    saker_test_fails(__FILE__, __LINE__, "there is no %s", name);
}

static const char *text_of(const saker_json *value) {
    return saker_format("%.*s", (int)value->length, value->text);
}

TEST(the_schema_tells_types_defaults_and_documentation) {
    saker_json schema;
    const char *text = fake_schema();
    CHECK_TEXT(saker_json_read(text, strlen(text), &schema), NULL);
    CHECK_TEXT(text_of(field(&schema, "type")), "\"object\"");
    CHECK_TEXT(text_of(field(&schema, "required")), "[\"url\"]");
    CHECK_TEXT(text_of(field(&schema, "additionalProperties")), "false");
    const saker_json *all = field(&schema, "properties");
    CHECK_TEXT(saker_json_string(field(field(all, "url"), "description")), "Where to \"send\".");
    CHECK_TEXT(text_of(field(all, "form")), "{\"type\":\"string\",\"default\":\"json\"}");
    CHECK_TEXT(text_of(field(all, "token")), "{\"type\":\"string\"}");
    CHECK_TEXT(text_of(field(all, "share")), "{\"type\":\"number\",\"default\":0.1}");
    CHECK_TEXT(text_of(field(field(all, "most"), "default")), "7");
    CHECK_TEXT(text_of(field(all, "quick")), "{\"type\":\"boolean\",\"default\":true}");
    CHECK_TEXT(text_of(field(all, "names")), "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"default\":[]}");
}

static const char *forgotten;

TEST(a_plugin_without_settings_takes_none) {
    static const saker_plugin bare = {.name = "bare"};
    CHECK_TEXT(saker_schema(&bare),
               "{\"type\":\"object\",\"properties\":{},\"required\":[],\"additionalProperties\":false}");
    CHECK(saker_open(&bare, "{}", 2));
    CHECK(!saker_open(&bare, "{\"a\":1}", 7));
    CHECK_TEXT(saker_why(), "settings: a: no such setting; there is none");
}

TEST(a_setting_that_goes_nowhere_is_the_authors_mistake) {
    static const saker_plugin nowhere = {.settings = {{.name = "a"}}};
    CHECK(!saker_open(&nowhere, "{}", 2));
    CHECK_TEXT(saker_why(), "settings: a: the plugin has 0 places for its value, and not one");
    static const saker_plugin twice = {.settings = {{.name = "a", .string = &forgotten, .number = &settings.share}}};
    CHECK(!saker_open(&twice, "{}", 2));
    CHECK_TEXT(saker_why(), "settings: a: the plugin has 2 places for its value, and not one");
}
