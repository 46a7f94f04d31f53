// Addresses, answers, and a backend's call in pieces.
#include <string.h>

#include "../saker_test.h"
#include "../src/internal.h"
#include "src/plugin.h"

TEST(an_address_is_taken_apart) {
    saker_target target;
    CHECK(saker_target_parse(&target, "url", "http://127.0.0.1:8086/write?db=x"));
    CHECK(!target.tls);
    CHECK_TEXT(target.authority, "127.0.0.1:8086");
    CHECK_TEXT(target.path, "/write?db=x");
    CHECK_TEXT(saker_target_address(&target), "127.0.0.1:8086");
    CHECK(saker_target_parse(&target, "url", "https://h") && target.tls);
    CHECK_TEXT(target.path, "/");
    CHECK_TEXT(saker_target_address(&target), "h:443");
    CHECK(saker_target_parse(&target, "url", "http://[::1]/x"));
    CHECK_TEXT(saker_target_address(&target), "[::1]:80");
    CHECK(saker_target_parse(&target, "url", "http://[::1]:81?a=b"));
    CHECK_TEXT(saker_target_address(&target), "[::1]:81");
    CHECK_TEXT(target.path, "/?a=b");
}

TEST(a_unix_socket_is_named_by_its_path_in_hexadecimal_digits) {
    saker_target target;
    saker_target_unix(&target, "/run/docker.sock", "/info");
    CHECK_TEXT(target.authority, "2f72756e2f646f636b65722e736f636b");
    CHECK_TEXT(target.path, "/info");
    CHECK_TEXT(saker_target_address(&target), "/run/docker.sock");
    saker_answer answer;
    fake_answer(200, 0, "whole");
    CHECK(saker_get(&target, NULL, 3, &answer));
    CHECK_TEXT(answer.body, "who");
}

TEST(an_unusable_address_says_what_to_write) {
    static const char *const bad[][2] = {
        {"", "neither http:// nor https://"},
        {"127.0.0.1:8086", "neither http:// nor https://"},
        {"http:///write", "no host"},
        {"http://", "no host"},
        {"http://:80/", "no host"},
        {"http://me:secret@h/", "a user name"},
        {"http://h:/", "no valid port"},
        {"http://h:0/", "no valid port"},
        {"http://h:65536/", "no valid port"},
        {"http://h:999999999999999/", "no valid port"},
        {"http://h:secret", "no valid port"},
        {"http://[::1]:x/", "no valid port"},
        {"http://fe80::1/", "an IPv6 address without brackets"},
        {"http://h/a b", "a character"},
        {"http://h/#a", "a character"},
        {"http://h\n/", "a character"},
        {"http://h/\xC3\xA9", "a character"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        saker_target target;
        CHECK(!saker_target_parse(&target, "url", bad[i][0]));
        CHECK(strstr(saker_why(), bad[i][1]) && strstr(saker_why(), "settings: url: "));
        CHECK(strstr(saker_why(), "write http://host:port/path") && !strstr(saker_why(), "secret"));
    }
}

static const char *meaning(int status, uint32_t retry_after_s, const char *body) {
    saker_error_clear();
    saker_answer answer = {.status = status, .retry_after_s = retry_after_s, .body = body};
    CHECK(saker_written(&answer) == (saker_last_error.kind == SAKER_NO_ERROR));
    return saker_why();
}

TEST(a_status_decides_between_taken_again_and_never) {
    CHECK_TEXT(meaning(200, 0, ""), "no error");
    CHECK_TEXT(meaning(299, 5, "why"), "no error");
    static const int rejects[] = {400, 409, 415, 422};
    for (size_t i = 0; i < sizeof rejects / sizeof *rejects; i++) {
        CHECK_TEXT(meaning(rejects[i], 0, "why \n"), saker_format("reject: %d why", rejects[i]));
    }
    static const int retries[] = {100, 302, 401, 403, 404, 408, 429, 500, 503};
    for (size_t i = 0; i < sizeof retries / sizeof *retries; i++) {
        CHECK_TEXT(meaning(retries[i], 0, ""), saker_format("retry: %d", retries[i]));
    }
    CHECK_TEXT(meaning(429, 3, "why"), "retry after 3000 ms: 429 why");
    CHECK_TEXT(meaning(429, UINT32_MAX, "why"), "retry after 4294967295 ms: 429 why");
    CHECK_TEXT(meaning(413, 0, "why"), "too large: 413 why");
}

TEST(requests_are_posted_and_answered) {
    saker_target target;
    saker_answer answer;
    CHECK(saker_target_parse(&target, "url", "http://h:1/p"));
    CHECK(saker_post(&target, NULL, NULL, 0, &answer) && answer.status == 204);
    fake_answer(500, 2, "ill");
    fake_no_answer("connection refused");
    fake_deny();
    const saker_header headers[] = {{"content-type", "text/csv"}, {"x", "y"}, {0}};
    CHECK(saker_post(&target, headers, "body", 4, &answer));
    CHECK(answer.status == 500 && answer.retry_after_s == 2);
    CHECK_TEXT(answer.body, "ill");
    CHECK(!saker_post(&target, headers, "", 0, &answer));
    CHECK_TEXT(saker_why(), "unavailable: connection refused");
    CHECK(!saker_post(&target, headers, "", 0, &answer));
    CHECK_TEXT(saker_why(), "denied: connect h:1");
    CHECK_TEXT(fake_posted(1)->headers, "content-type: text/csv\nx: y\n");
    CHECK_TEXT(fake_posted(1)->body, "body");
    CHECK_TEXT(fake_posted(3)->target.authority, "h:1");
    CHECK(!fake_posted(4));
}

/// What `write` was given, as "first+count", and how it behaves.
static struct {
    saker_text pieces;
    size_t too_large_from;
    const char *reject;
    size_t calls;
} destination;

static saker_point points[20];

static bool write_to_destination(const saker_point *given, size_t count) {
    saker_append(&destination.pieces, "%td+%zu ", given - points, count);
    destination.calls++;
    if (count >= destination.too_large_from) {
        saker_answer answer = {.status = 413, .body = "too much"};
        return saker_written(&answer);
    }
    if (destination.reject && strcmp(destination.reject, "silently") == 0) {
        return false;
    }
    return !destination.reject || saker_reject_point(1, "%s", destination.reject);
}

static bool write_all(size_t count, size_t too_large_from, const char *reject) {
    memset(&destination, 0, sizeof destination);
    saker_append(&destination.pieces, "%s", "");
    destination.too_large_from = too_large_from;
    destination.reject = reject;
    calls.write = write_to_destination;
    return fake_write(points, count);
}

TEST(no_points_are_written_without_a_call) {
    CHECK(fake_open("{\"url\": \"u\"}"));
    CHECK(write_all(0, 99, NULL));
    CHECK_NUMBER(destination.calls, 0);
}

TEST(what_is_too_large_is_halved_for_this_call_and_the_next) {
    CHECK(fake_open("{\"url\": \"u\"}"));
    CHECK(write_all(20, 6, NULL));
    CHECK_TEXT(destination.pieces.bytes, "0+20 0+10 0+5 5+5 10+5 15+5 ");
    CHECK(write_all(7, 6, NULL));
    CHECK_TEXT(destination.pieces.bytes, "0+5 5+2 ");
}

TEST(a_destination_that_takes_no_single_point_is_asked_again_later) {
    CHECK(fake_open("{\"url\": \"u\"}"));
    CHECK(!write_all(20, 1, NULL));
    CHECK_TEXT(saker_why(), "retry: not even a single point is small enough: 413 too much");
    CHECK_TEXT(destination.pieces.bytes, "0+20 0+10 0+5 0+2 0+1 1+1 2+1 3+1 ");
    CHECK(!write_all(2, 1, NULL));
    CHECK_TEXT(saker_why(), "reject: 413 too much");
}

TEST(rejected_points_are_named_by_their_place_in_the_call) {
    CHECK(fake_open("{\"url\": \"u\"}"));
    CHECK(!write_all(10, 6, "no such metric"));
    CHECK_TEXT(saker_why(), "reject 1,6: no such metric");
    CHECK(!write_all(3, 99, "no such metric"));
    CHECK_TEXT(saker_why(), "reject 1: no such metric");
}

TEST(another_failure_ends_the_call) {
    CHECK(fake_open("{\"url\": \"u\"}"));
    CHECK(!write_all(10, 6, "silently"));
    CHECK_TEXT(saker_why(), "failed: write failed, and did not say why");
    CHECK_NUMBER(destination.calls, 2);
}
