// UTF-8: what is a character (RFC 3629), and texts of nothing else.
#include <string.h>

#include "internal.h"

size_t saker_utf8_length(const char *at, const char *end) {
    unsigned char lead = (unsigned char)at[0];
    if (lead < 0x80) {
        return 1;
    }
    // The bounds of the second byte keep out what is too long a form, a surrogate, or above U+10FFFF.
    unsigned char lowest = 0x80, highest = 0xBF;
    size_t length;
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        lowest = lead == 0xE0 ? 0xA0 : lowest;
        highest = lead == 0xED ? 0x9F : highest;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        lowest = lead == 0xF0 ? 0x90 : lowest;
        highest = lead == 0xF4 ? 0x8F : highest;
    } else {
        return 0;
    }
    if ((size_t)(end - at) < length) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        unsigned char next = (unsigned char)at[i];
        if (next < lowest || next > highest) {
            return 0;
        }
        lowest = 0x80, highest = 0xBF;
    }
    return length;
}

const char *saker_utf8(const char *text) {
    const char *end = text + strlen(text);
    const char *at = text;
    while (at < end && saker_utf8_length(at, end)) {
        at += saker_utf8_length(at, end);
    }
    if (at == end) {
        return text;
    }
    saker_text whole = {0};
    for (at = text; at < end;) {
        size_t length = saker_utf8_length(at, end);
        saker_append(&whole, "%.*s", length ? (int)length : 3, length ? at : "\xEF\xBF\xBD");
        at += length ? length : 1;
    }
    return whole.bytes;
}
