// The fake of the servers that a plugin posts to.
#include <string.h>

#include "fake.h"

/// How many requests and answers the fake remembers. More are forgotten.
enum { MOST = 1000 };

/// An answer in the queue, or none: then why.
typedef struct queued {
    saker_answer answer;
    const char *why;
    bool is_denied;
} queued;

static struct {
    queued answers[MOST];
    size_t answer_count;
    size_t answered;
    fake_request requests[MOST];
    size_t request_count;
} http;

void fake_reset_http(void) {
    memset(&http, 0, sizeof http);
}

static void queue(queued one) {
    if (http.answer_count < MOST) {
        http.answers[http.answer_count++] = one;
    }
}

void fake_answer(int status, uint32_t retry_after_s, const char *body) {
    queue((queued){.answer = {.status = status, .retry_after_s = retry_after_s, .body = fake_copy(body)}});
}

void fake_no_answer(const char *why) {
    queue((queued){.why = fake_copy(why)});
}

void fake_deny(void) {
    queue((queued){.is_denied = true});
}

const fake_request *fake_posted(size_t index) {
    return index < http.request_count ? &http.requests[index] : NULL;
}

static void remember(const saker_target *target, const saker_header *headers, const void *body, size_t length) {
    saker_text fields = {0};
    saker_append(&fields, "%s", "");
    for (; headers->name; headers++) {
        saker_append(&fields, "%s: %s\n", headers->name, headers->value);
    }
    if (http.request_count < MOST) {
        http.requests[http.request_count++] = (fake_request){
            .target = {target->tls, fake_copy(target->authority), fake_copy(target->path),
                       target->socket ? fake_copy(target->socket) : NULL},
            .headers = fake_copy(fields.bytes),
            .body = saker_arena_copy(&fake_arena, body ? body : "", length),
        };
    }
}

bool saker_host_send(const saker_target *target, const saker_header *headers, const void *body, size_t length,
                     size_t most, saker_answer *answer) {
    remember(target, headers, body, length);
    if (http.answered == http.answer_count) {
        *answer = (saker_answer){.status = 204, .body = ""};
        return true;
    }
    const queued *next = &http.answers[http.answered++];
    if (next->is_denied) {
        return saker_denied(SAKER_CONNECT, saker_target_address(target));
    }
    if (next->why) {
        return saker_unavailable("%s", next->why);
    }
    *answer = next->answer;
    size_t kept = strlen(answer->body) < most ? strlen(answer->body) : most;
    answer->body = saker_arena_copy(&saker_call_arena, answer->body, kept);
    return true;
}
