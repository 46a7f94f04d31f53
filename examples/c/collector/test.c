// Unit tests, run natively by `sh sdk/test.sh`.
#include "src/plugin.c"

#include "../../../plugins/sdk/c/saker_test.h"

TEST(three_averages_are_read) {
    saker_values values = {0};
    CHECK(parse("0.52 1.08 0.97 3/1482 2915012\n", "/proc/loadavg", &values));
    CHECK_NUMBER(values.count, 3);
    CHECK_NUMBER(fake_value(&values, "load.one"), 0.52);
    CHECK_NUMBER(fake_value(&values, "load.five"), 1.08);
    CHECK_NUMBER(fake_value(&values, "load.fifteen"), 0.97);
}

TEST(nonsense_is_named_with_its_place) {
    saker_values values = {0};
    CHECK(!parse("0.52 many", "/proc/loadavg", &values));
    CHECK_TEXT(saker_why(), "malformed: /proc/loadavg: expected a number, found \"many\"");
    CHECK(!parse("0.52 1.08", "/proc/loadavg", &values));
    CHECK_TEXT(saker_why(), "malformed: /proc/loadavg: expected a number, found the end");
}

TEST(a_missing_file_is_unavailable) {
    CHECK(fake_open("{\"proc\": \"/nowhere\"}"));
    CHECK(!fake_collect(0));
    CHECK_TEXT(saker_why(), "unavailable: /nowhere/loadavg: No such file or directory");
}
