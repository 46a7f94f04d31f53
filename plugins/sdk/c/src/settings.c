// Settings: from the table in the plugin to a JSON Schema, and from the agent's JSON to the plugin's variables.
#include <math.h>
#include <string.h>

#include "internal.h"
#include "json.h"

/// The largest whole number up to which a JSON number, and a double, tells every one apart: 2^53 - 1.
#define INTEGER_MAX 9007199254740991

/// What is shown of a value that is wrong, in bytes.
enum { FOUND_MAX = 60 };

static const char *type_schema(const saker_setting *setting) {
    if (setting->string) {
        return "\"type\":\"string\"";
    }
    if (setting->number) {
        return "\"type\":\"number\"";
    }
    if (setting->boolean) {
        return "\"type\":\"boolean\"";
    }
    if (setting->strings) {
        return "\"type\":\"array\",\"items\":{\"type\":\"string\"}";
    }
    return "\"type\":\"integer\",\"minimum\":-9007199254740991,\"maximum\":9007199254740991";
}

static void append_default(saker_text *schema, const saker_setting *setting) {
    if (setting->required || (setting->string && !setting->default_string)) {
        return;
    }
    saker_append(schema, ",\"default\":");
    if (setting->string) {
        saker_json_append(schema, setting->default_string);
    } else if (setting->number) {
        saker_append_number(schema, setting->default_number);
    } else if (setting->boolean) {
        saker_append(schema, "%s", setting->default_boolean ? "true" : "false");
    } else if (setting->strings) {
        saker_append(schema, "[]");
    } else {
        saker_append(schema, "%" PRId64, setting->default_integer);
    }
}

static size_t count_settings(const saker_plugin *plugin) {
    size_t count = 0;
    while (count < SAKER_SETTINGS_MAX && plugin->settings[count].name) {
        count++;
    }
    return count;
}

const char *saker_schema(const saker_plugin *plugin) {
    saker_text schema = {0}, required = {0};
    saker_append(&required, "%s", "");
    saker_append(&schema, "{\"type\":\"object\",\"properties\":{");
    for (size_t i = 0; i < count_settings(plugin); i++) {
        const saker_setting *setting = &plugin->settings[i];
        saker_append(&schema, "%s", i == 0 ? "" : ",");
        saker_json_append(&schema, setting->name);
        saker_append(&schema, ":{%s", type_schema(setting));
        if (setting->doc) {
            saker_append(&schema, ",\"description\":");
            saker_json_append(&schema, setting->doc);
        }
        append_default(&schema, setting);
        saker_append(&schema, "}");
        if (setting->required) {
            saker_append(&required, "%s", required.length ? "," : "");
            saker_json_append(&required, setting->name);
        }
    }
    saker_append(&schema, "},\"required\":[%s],\"additionalProperties\":false}", required.bytes);
    return schema.bytes;
}

static bool expected(const saker_setting *setting, const char *what, const saker_json *found) {
    size_t length = found->length < FOUND_MAX ? found->length : FOUND_MAX;
    const char *text = saker_arena_copy(&saker_call_arena, found->text, length);
    return saker_wrong_setting(setting->name, "%s, found %s%s", what, text, length < found->length ? "…" : "");
}

/// `item` is "" or says which of a list it is.
static bool read_string(const saker_setting *setting, const char *item, const saker_json *found,
                        const char **string) {
    if (found->kind != SAKER_JSON_STRING) {
        return expected(setting, saker_format("%sexpected a string", item), found);
    }
    const char *text = saker_json_string(found);
    if (!text) {
        return saker_wrong_setting(setting->name, "%sexpected a string without \\u0000", item);
    }
    *string = saker_arena_copy(&saker_life_arena, text, strlen(text));
    return true;
}

static bool read_strings(const saker_setting *setting, const saker_json *found) {
    if (found->kind != SAKER_JSON_LIST) {
        return expected(setting, "expected a list of strings", found);
    }
    saker_json item;
    size_t count = 0, at = 0;
    for (saker_json_place place = saker_json_first(found); saker_json_item(&place, &item);) {
        count++;
    }
    const char **items = saker_arena_alloc(&saker_life_arena, count * sizeof *items, sizeof *items);
    for (saker_json_place place = saker_json_first(found); saker_json_item(&place, &item); at++) {
        if (!read_string(setting, saker_format("item %zu: ", at), &item, &items[at])) {
            return false;
        }
    }
    *setting->strings = (saker_strings){.items = items, .count = count};
    return true;
}

static bool read_integer(const saker_setting *setting, const saker_json *found) {
    double number = found->kind == SAKER_JSON_NUMBER ? saker_json_number(found) : NAN;
    // Written so that not-a-number is none either.
    if (!(fabs(number) <= INTEGER_MAX && number == trunc(number))) {
        return expected(setting, "expected a whole number of at most 2^53 - 1", found);
    }
    *setting->integer = (int64_t)number;
    return true;
}

static bool read_number(const saker_setting *setting, const saker_json *found) {
    double number = found->kind == SAKER_JSON_NUMBER ? saker_json_number(found) : NAN;
    if (!isfinite(number)) {
        return expected(setting, "expected a number", found);
    }
    *setting->number = number;
    return true;
}

static bool read_boolean(const saker_setting *setting, const saker_json *found) {
    if (found->kind != SAKER_JSON_TRUE && found->kind != SAKER_JSON_FALSE) {
        return expected(setting, "expected true or false", found);
    }
    *setting->boolean = found->kind == SAKER_JSON_TRUE;
    return true;
}

static bool read_setting(const saker_setting *setting, const saker_json *found) {
    if (setting->string) {
        return read_string(setting, "", found, setting->string);
    }
    if (setting->number) {
        return read_number(setting, found);
    }
    if (setting->boolean) {
        return read_boolean(setting, found);
    }
    if (setting->strings) {
        return read_strings(setting, found);
    }
    return read_integer(setting, found);
}

static void set_default(const saker_setting *setting) {
    if (setting->string) {
        *setting->string = setting->default_string;
    } else if (setting->number) {
        *setting->number = setting->default_number;
    } else if (setting->boolean) {
        *setting->boolean = setting->default_boolean;
    } else if (setting->strings) {
        *setting->strings = (saker_strings){0};
    } else {
        *setting->integer = setting->default_integer;
    }
}

static bool no_such_setting(const saker_plugin *plugin, const char *name) {
    saker_text names = {0};
    saker_append(&names, "%s", count_settings(plugin) ? "there is " : "there is none");
    for (size_t i = 0; i < count_settings(plugin); i++) {
        saker_append(&names, "%s%s", i == 0 ? "" : ", ", plugin->settings[i].name);
    }
    return saker_wrong_setting(name, "no such setting; %s", names.bytes);
}

/// The place in the table of the setting with this name; that after the last if there is none.
static size_t find(const saker_plugin *plugin, const char *name) {
    size_t at = 0;
    while (at < count_settings(plugin) && strcmp(plugin->settings[at].name, name) != 0) {
        at++;
    }
    return at;
}

bool saker_check_settings(const saker_plugin *plugin) {
    for (size_t i = 0; i < count_settings(plugin); i++) {
        const saker_setting *one = &plugin->settings[i];
        int places = !!one->string + !!one->number + !!one->integer + !!one->boolean + !!one->strings;
        if (places != 1) {
            return saker_wrong_setting(one->name, "the plugin has %d places for its value, and not one", places);
        }
    }
    return true;
}

bool saker_read_settings(const saker_plugin *plugin, const char *json, size_t length) {
    saker_json all, key, found;
    const char *wrong = saker_json_read(json, length, &all);
    if (wrong || all.kind != SAKER_JSON_OBJECT) {
        return saker_wrong_setting("settings", "%s", wrong ? wrong : "expected an object");
    }
    bool given[SAKER_SETTINGS_MAX] = {false};
    for (saker_json_place place = saker_json_first(&all); saker_json_field(&place, &key, &found);) {
        const char *name = saker_json_string(&key);
        size_t at = name ? find(plugin, name) : SAKER_SETTINGS_MAX;
        if (!name || at == count_settings(plugin)) {
            return no_such_setting(plugin, name ? name : "a name with a zero byte");
        }
        if (given[at]) {
            return saker_wrong_setting(name, "given twice");
        }
        given[at] = true;
        if (!read_setting(&plugin->settings[at], &found)) {
            return false;
        }
    }
    for (size_t i = 0; i < count_settings(plugin); i++) {
        const saker_setting *setting = &plugin->settings[i];
        if (!given[i] && setting->required) {
            return saker_wrong_setting(setting->name, "missing, and it has no default");
        }
        if (!given[i]) {
            set_default(setting);
        }
    }
    return true;
}
