// Values in columns.
#include <math.h>

#include "../saker_test.h"
#include "../src/internal.h"
#include "src/plugin.h"

static uint32_t handles[100];
static size_t runs;

static const saker_value *series(size_t place) {
    return saker_with_tag(saker_gauge(NULL, saker_format("value.%zu", place), 0), "place", saker_format("%zu", place));
}

static bool a_hundred(saker_run run, saker_values *values) {
    for (size_t i = 0; i < 100; i++) {
        if (runs == 0) {
            handles[i] = saker_column_define(series(i));
        }
        saker_column_add(values, handles[i], (double)(run.timestamp_ms + (int64_t)i));
    }
    runs++;
    return true;
}

TEST(a_series_is_defined_once_and_pointed_at_ever_after) {
    runs = 0;
    calls.collect = a_hundred;
    for (int64_t now = 1000; now < 4000; now += 1000) {
        const saker_values *values = fake_collect(now);
        CHECK_NUMBER(values->columns.count, 100);
        CHECK_NUMBER(values->count, 0);
        CHECK_NUMBER(fake_value(values, "value.0"), (double)now);
        CHECK_NUMBER(fake_value(values, "value.99"), (double)(now + 99));
        CHECK(isnan(fake_value(values, "other")));
        CHECK_NUMBER(saker_columns_take()->define_count, now == 1000 ? 100 : 0);
        saker_call_ends();
    }
}

static bool comes_and_goes(saker_run run, saker_values *values) {
    (void)run;
    switch (runs++) {
    case 0:
        handles[0] = saker_column_define(series(0));
        handles[1] = saker_column_define(series(1));
        saker_column_add(values, handles[0], 1);
        saker_column_add(values, handles[1], 2);
        return true;
    case 1:
        saker_column_add(values, handles[0], 1);
        saker_column_forget(values, handles[0]);
        saker_column_forget(values, handles[0]);
        saker_column_forget(values, 4000000000U);
        handles[2] = saker_column_define(series(2));
        saker_column_add(values, handles[2], 3);
        return true;
    case 2:
        return saker_unavailable("not now");
    default:
        handles[3] = saker_column_define(series(3));
        handles[4] = saker_column_define(series(4));
        saker_column_add(values, handles[3], 4);
        saker_column_add_at(values, handles[1], 2, 7);
        return true;
    }
}

TEST(a_handle_is_given_again_only_after_the_agent_knows_that_it_is_free) {
    runs = 0;
    calls.collect = comes_and_goes;
    CHECK_NUMBER(fake_collect(1000)->columns.count, 2);
    const saker_values *values = fake_collect(2000);
    CHECK_NUMBER(values->columns.count, 1);
    CHECK_NUMBER(fake_value(values, "value.2"), 3);
    CHECK_NUMBER(saker_columns_take()->forget_count, 1);
    CHECK(handles[2] != handles[0]);
    CHECK(!fake_collect(3000));
    values = fake_collect(4000);
    CHECK_NUMBER(handles[3], handles[0]);
    CHECK(handles[4] != handles[3]);
    CHECK_NUMBER(fake_value(values, "value.3"), 4);
    CHECK_NUMBER(values->columns.items[1].timestamp_ms, 7);
}

static bool fails_at_first(saker_run run, saker_values *values) {
    (void)run;
    if (runs++ == 0) {
        handles[0] = saker_column_define(series(0));
        return saker_unavailable("not yet");
    }
    saker_column_add(values, handles[0], 1);
    return true;
}

TEST(what_a_failed_run_has_defined_is_handed_over_by_the_next) {
    runs = 0;
    calls.collect = fails_at_first;
    CHECK(!fake_collect(1000));
    CHECK_NUMBER(fake_value(fake_collect(2000), "value.0"), 1);
}

static bool both_ways(saker_run run, saker_values *values) {
    (void)run;
    saker_column_add(values, saker_column_define(series(0)), 1);
    saker_gauge(values, "a", 1);
    return true;
}

TEST(a_run_brings_its_values_in_one_way) {
    calls.collect = both_ways;
    CHECK(!fake_collect(1000));
    CHECK(saker_starts_with(saker_why(), "failed: collect: values came in columns and beside them"));
}
