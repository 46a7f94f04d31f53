// Values, tags, errors, what lasts longer than a call, and the agent's services.
#include <math.h>
#include <string.h>

#include "../saker_test.h"
#include "../src/internal.h"
#include "src/plugin.h"

TEST(values_of_every_type_come_in_their_order) {
    saker_values values = {0};
    for (int i = 0; i < 100; i++) {
        saker_gauge(&values, "gauge", i);
        saker_with_tag(saker_counter(&values, "counter", i), "core", saker_format("%d", i));
        saker_derive(&values, "derive", i)->endpoint = "web-2";
    }
    CHECK_NUMBER(values.count, 300);
    const saker_value *counter = values.items[31];
    CHECK_TEXT(counter->metric, "counter");
    CHECK(counter->type == SAKER_COUNTER && values.items[30]->type == SAKER_GAUGE);
    CHECK_NUMBER(counter->value, 10);
    CHECK_TEXT(saker_tags_get(&counter->tags, "core"), "10");
    CHECK_TEXT(values.items[32]->endpoint, "web-2");
    CHECK_TEXT(counter->endpoint, NULL);
    CHECK(isnan(fake_value(&values, "other")));
}

TEST(a_tag_that_the_agent_would_not_take_is_rejected) {
    saker_tag given[] = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
    saker_tags tags = {.items = given, .count = 3};
    CHECK(saker_tags_set(&tags, "d", "4"));
    CHECK(saker_tags_set(&tags, "b", "5"));
    CHECK_NUMBER(tags.count, 4);
    CHECK_TEXT(saker_tags_get(&tags, "b"), "5");
    CHECK_TEXT(saker_tags_get(&tags, "z"), NULL);
    CHECK(!saker_tags_set(&tags, "", "x") && !saker_tags_set(&tags, "x", "") && !saker_tags_set(&tags, "a\tb", "x"));
    CHECK(!saker_tags_set(&tags, "x", saker_format("%04097d", 0)));
    CHECK(!saker_tags_set(&tags, saker_format("%0256d", 0), "x"));
    CHECK(saker_tags_set(&tags, "x", saker_format("%04096d", 0)));
    CHECK(saker_tags_set(&tags, "x", "a,b=c"));
    CHECK(!saker_tags_set(&tags, "x", "a\nb"));
    CHECK_TEXT(saker_why(), "failed: tag x=a\nb: expected a key of 1 to 255 bytes and a value of 1 to 4096, without "
                            "control characters");
    for (int i = 5; i < 40; i++) {
        CHECK(saker_tags_set(&tags, saker_format("t%d", i), "v"));
    }
    CHECK(!saker_tags_set(&tags, "rack", "r12"));
    CHECK_TEXT(saker_why(), "failed: tag rack: a series has at most 40 tags");
    CHECK(saker_tags_set(&tags, "b", "6"));
}

static bool fails_silently(void) {
    return false;
}

static bool collects_nothing(saker_run run, saker_values *values) {
    (void)values;
    CHECK_NUMBER((double)run.timestamp_ms, 5000);
    return false;
}

static saker_verdict judges_not(saker_series *series) {
    (void)series;
    return SAKER_FAIL;
}

TEST(whoever_fails_without_a_word_is_given_some) {
    calls.open = fails_silently;
    CHECK(!fake_open("{\"url\": \"u\"}"));
    CHECK_TEXT(saker_why(), "failed: open failed, and did not say why");
    calls.collect = collects_nothing;
    CHECK(!fake_collect(5000));
    CHECK_TEXT(saker_why(), "failed: collect failed, and did not say why");
    calls.map_series = judges_not;
    saker_series series = {.metric = "m"};
    CHECK(fake_map_series(&series) == SAKER_FAIL);
    CHECK_TEXT(saker_why(), "failed: map_series failed, and did not say why");
}

TEST(the_last_error_is_the_one_that_counts) {
    CHECK_TEXT(saker_why(), "no error");
    CHECK(!saker_unavailable("a %d", 1));
    CHECK(!saker_denied(SAKER_CONNECT, "h:1"));
    CHECK_TEXT(saker_why(), "denied: connect h:1");
    CHECK(!saker_wrong_setting("url", "not %s", "good"));
    CHECK_TEXT(saker_why(), "settings: url: not good");
    CHECK(!saker_retry(0, "later"));
    CHECK_TEXT(saker_why(), "retry: later");
    for (size_t i = 0; i < 5; i++) {
        CHECK(!saker_reject_point(2 * i, "bad"));
    }
    CHECK_TEXT(saker_why(), "reject 0,2,4,6,8: bad");
    CHECK(!saker_reject("all"));
    CHECK_TEXT(saker_why(), "reject: all");
}

static saker_run at(int64_t timestamp_ms) {
    return (saker_run){.timestamp_ms = timestamp_ms};
}

TEST(a_counter_has_a_rate_from_its_second_reading_on) {
    saker_rates rates = {0};
    double rate = -1;
    CHECK(!saker_rate(&rates, at(1000), "a", 10, &rate));
    CHECK(!saker_rate(&rates, at(1000), "b", 0, &rate));
    CHECK_NUMBER(rate, -1);
    CHECK(saker_rate(&rates, at(3000), "b", 1, &rate));
    CHECK_NUMBER(rate, 0.5);
    CHECK(saker_rate(&rates, at(3000), "a", 30, &rate));
    CHECK_NUMBER(rate, 10);
    // It went back: its source has begun anew.
    CHECK(!saker_rate(&rates, at(4000), "a", 5, &rate));
    CHECK(saker_rate(&rates, at(5000), "a", 5, &rate));
    CHECK_NUMBER(rate, 0);
    // `b` was not read in the run before.
    CHECK(!saker_rate(&rates, at(5000), "b", 9, &rate));
    // The clock went back.
    CHECK(!saker_rate(&rates, at(2000), "a", 6, &rate));
    saker_rates_clear(&rates);
    CHECK(!saker_rate(&rates, at(6000), "a", 7, &rate));
    saker_rates_clear(&rates);
}

TEST(many_counters_are_told_apart) {
    saker_rates rates = {0};
    for (int run = 0; run < 3; run++) {
        for (int i = 0; i < 500; i++) {
            // Each run in another order.
            int number = (i * 7 + run * 31) % 500;
            double rate = 0;
            bool is_there = saker_rate(&rates, at(1000 * run), saker_format("c%d", number), number * run, &rate);
            CHECK(is_there == (run > 0));
            CHECK_NUMBER(rate, run > 0 ? number : 0);
        }
        saker_call_ends();
    }
    saker_rates_clear(&rates);
}

TEST(a_handle_stands_for_what_was_put_last_until_it_is_taken_back) {
    saker_slots slots = {0};
    const char *text;
    CHECK(!saker_slots_get(&slots, 1, &text));
    saker_slots_remove(&slots, 1);
    for (uint32_t handle = 0; handle < 1000; handle++) {
        saker_slots_put(&slots, handle * 64, "old");
        saker_slots_put(&slots, handle * 64, "new %" PRIu32, handle);
    }
    saker_slots_put(&slots, UINT32_MAX, "last");
    saker_call_ends();
    CHECK_NUMBER(slots.count, 1001);
    CHECK(saker_slots_get(&slots, 999 * 64, &text));
    CHECK_TEXT(text, "new 999");
    CHECK(saker_slots_get(&slots, UINT32_MAX, &text));
    CHECK_TEXT(text, "last");
    saker_slots_remove(&slots, 64);
    CHECK(!saker_slots_get(&slots, 64, &text));
    CHECK_TEXT(saker_why(), "failed: series 64 was never defined");
    CHECK(saker_slots_get(&slots, 128, &text));
    CHECK_TEXT(text, "new 2");
    saker_slots_clear(&slots);
    CHECK(!saker_slots_get(&slots, 128, &text));
}

TEST(the_fake_agent_remembers) {
    saker_log(SAKER_WARN, "%d lines", 2);
    CHECK_TEXT(fake_logged(0), "warn: 2 lines");
    CHECK_TEXT(fake_logged(1), NULL);
    size_t length = 1;
    CHECK(!saker_load_state(&length) && length == 0);
    CHECK(saker_save_state("abc", 3));
    CHECK_TEXT(fake_state(), "abc");
    CHECK(memcmp(saker_load_state(&length), "abc", 3) == 0 && length == 3);
    saker_counter_add("sent", 2);
    saker_counter_add("sent", 3);
    saker_counter_add("sent", -1);
    saker_gauge_set("queue", 9);
    CHECK_NUMBER(fake_custom_metric("sent"), 5);
    CHECK_NUMBER(fake_custom_metric("queue"), 9);
    CHECK(isnan(fake_custom_metric("other")));
    fake_set_usage("/", (saker_usage){.total_bytes = 100});
    saker_usage usage;
    CHECK(saker_filesystem_usage("/", &usage) && usage.total_bytes == 100);
    CHECK(!saker_filesystem_usage("/home", &usage));
    CHECK_TEXT(saker_why(), "unavailable: /home: No such file or directory");
}

TEST(the_fake_agent_forgets_between_tests) {
    size_t length;
    CHECK(!saker_load_state(&length));
    CHECK_TEXT(fake_logged(0), NULL);
    CHECK(isnan(fake_custom_metric("sent")));
}
