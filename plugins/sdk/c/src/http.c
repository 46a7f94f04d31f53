// Addresses of HTTP servers, and what their answers mean.
#include <string.h>

#include "internal.h"

/// How much of an answer is kept, in bytes: enough for the server's reason.
enum { REASON_MAX = 4096 };

static bool is_graphic(const char *text) {
    while (*text > ' ' && *text < 0x7F) {
        text++;
    }
    return !*text;
}

static bool is_port(const char *text) {
    size_t digits = strspn(text, "0123456789");
    int port = 0;
    for (size_t i = 0; i < digits && digits <= 5; i++) {
        port = 10 * port + (text[i] - '0');
    }
    return !text[digits] && port > 0 && port <= 65535;
}

/// The colon before the port of `host:port`; NULL if there is none. The colons of an IPv6 address stand in brackets.
static const char *port_colon(const char *authority) {
    const char *colon = strrchr(authority, ':');
    return colon && !strchr(colon, ']') ? colon : NULL;
}

/// What is wrong with `host` or `host:port`; NULL if nothing is.
static const char *unusable(const char *authority) {
    if (strchr(authority, '@')) {
        return "a user name";
    }
    const char *colon = port_colon(authority);
    size_t length = colon ? (size_t)(colon - authority) : strlen(authority);
    if (length == 0) {
        return "no host";
    }
    bool in_brackets = authority[0] == '[' && authority[length - 1] == ']';
    if (memchr(authority, ':', length) && !in_brackets) {
        return "an IPv6 address without brackets";
    }
    return colon && !is_port(colon + 1) ? "no valid port" : NULL;
}

bool saker_target_parse(saker_target *target, const char *setting, const char *url) {
    bool is_tls = saker_starts_with(url, "https://");
    const char *wrong = NULL;
    if (!is_graphic(url) || strchr(url, '#')) {
        wrong = "a character that must be percent-encoded";
    } else if (!is_tls && !saker_starts_with(url, "http://")) {
        wrong = "neither http:// nor https://";
    } else {
        const char *rest = strstr(url, "://") + 3;
        size_t length = strcspn(rest, "/?");
        const char *slash = rest[length] == '/' ? "" : "/";
        *target = (saker_target){
            .tls = is_tls,
            .authority = saker_keep("%.*s", (int)length, rest),
            .path = saker_keep("%s%s", slash, rest + length),
        };
        wrong = unusable(target->authority);
    }
    // What stands in the address may be a secret: the message does not repeat it.
    return !wrong || saker_wrong_setting(setting, "%s; write http://host:port/path", wrong);
}

void saker_target_unix(saker_target *target, const char *socket, const char *path) {
    saker_text digits = {0};
    saker_append(&digits, "%s", "");
    for (const char *at = socket; *at; at++) {
        saker_append(&digits, "%02x", (unsigned char)*at);
    }
    *target = (saker_target){
        .authority = saker_keep("%s", digits.bytes),
        .path = saker_keep("%s", path),
        .socket = saker_keep("%s", socket),
    };
}

const char *saker_target_address(const saker_target *target) {
    if (target->socket) {
        return target->socket;
    }
    return port_colon(target->authority) ? saker_format("%s", target->authority)
                                         : saker_format("%s:%d", target->authority, target->tls ? 443 : 80);
}

static const saker_header no_headers[] = {{0}};

bool saker_get(const saker_target *target, const saker_header *headers, size_t most, saker_answer *answer) {
    return saker_host_send(target, headers ? headers : no_headers, NULL, 0, most, answer);
}

bool saker_post(const saker_target *target, const saker_header *headers, const void *body, size_t length,
                saker_answer *answer) {
    return saker_host_send(target, headers ? headers : no_headers, body ? body : "", length, REASON_MAX, answer);
}

bool saker_written(const saker_answer *answer) {
    size_t length = strlen(answer->body);
    while (length && (unsigned char)answer->body[length - 1] <= ' ') {
        length--;
    }
    const char *gap = length ? " " : "";
    const char *message = saker_format("%d%s%.*s", answer->status, gap, (int)length, answer->body);
    if (answer->status >= 200 && answer->status < 300) {
        return true;
    }
    switch (answer->status) {
    case 400:
    case 409:
    case 415:
    case 422:
        return saker_reject("%s", message);
    case 413:
        return saker_too_large(message);
    default:
        break;
    }
    bool is_long = answer->retry_after_s > UINT32_MAX / 1000;
    return saker_retry(is_long ? UINT32_MAX : 1000 * answer->retry_after_s, "%s", message);
}
