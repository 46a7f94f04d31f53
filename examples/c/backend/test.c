// Unit tests, run natively by `sh sdk/test.sh`.
#include "src/plugin.c"

#include "../../../plugins/sdk/c/saker_test.h"

static const saker_point points[] = {
    {.series = 7, .timestamp_ms = 1000, .value = 0.5},
    {.series = 7, .timestamp_ms = 2000, .value = 3},
};

static void open_and_define(void) {
    CHECK(fake_open("{\"url\": \"http://127.0.0.1:9000/points\"}"));
    fake_define(7, "web-1", "cpu.busy");
}

TEST(points_are_posted_as_lines) {
    open_and_define();
    CHECK(fake_write(points, 2));
    const fake_request *request = fake_posted(0);
    CHECK(request);
    CHECK_TEXT(request->target.path, "/points");
    CHECK_TEXT(request->headers, "content-type: text/csv\n");
    CHECK_TEXT(request->body, "web-1,cpu.busy,1000,0.5\nweb-1,cpu.busy,2000,3\n");
}

TEST(a_busy_server_is_asked_again_when_it_says) {
    open_and_define();
    fake_answer(503, 7, "come later\n");
    CHECK(!fake_write(points, 2));
    CHECK_TEXT(saker_why(), "retry after 7000 ms: 503 come later");
}

TEST(what_the_server_will_never_take_is_rejected) {
    open_and_define();
    fake_answer(400, 0, "no such metric");
    CHECK(!fake_write(points, 2));
    CHECK_TEXT(saker_why(), "reject: 400 no such metric");
}

TEST(an_address_that_is_not_granted_is_denied) {
    open_and_define();
    fake_deny();
    CHECK(!fake_write(points, 2));
    CHECK_TEXT(saker_why(), "denied: connect 127.0.0.1:9000");
}

TEST(a_handle_that_was_taken_back_is_unknown) {
    open_and_define();
    fake_forget(7);
    CHECK(!fake_write(points, 2));
    CHECK_TEXT(saker_why(), "failed: series 7 was never defined");
}
