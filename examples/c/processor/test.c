// Unit tests, run natively by `sh sdk/test.sh`.
#include "src/plugin.c"

#include "../../../plugins/sdk/c/saker_test.h"

TEST(a_series_gets_the_rack_in_the_place_of_another) {
    CHECK(fake_open("{\"rack\": \"r12\"}"));
    saker_series series = {.endpoint = "web-1", .metric = "cpu.busy"};
    CHECK(saker_tags_set(&series.tags, "rack", "r1"));
    CHECK(fake_map_series(&series) == SAKER_CHANGE);
    CHECK_TEXT(saker_tags_get(&series.tags, "rack"), "r12");
    CHECK_NUMBER(series.tags.count, 1);
}

TEST(series_are_dropped_by_the_beginning_of_their_metric) {
    CHECK(fake_open("{\"rack\": \"r12\", \"drop\": [\"snmp.\", \"tcp.\"]}"));
    saker_series dropped = {.metric = "tcp.resets"}, kept = {.metric = "tcpdump"};
    CHECK(fake_map_series(&dropped) == SAKER_DROP);
    CHECK(fake_map_series(&kept) == SAKER_CHANGE);
}

TEST(a_rack_must_be_given) {
    CHECK(!fake_open("{}"));
    CHECK_TEXT(saker_why(), "settings: rack: missing, and it has no default");
}
