// Texts, words, numbers, files, and the memory that they are in.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../saker_test.h"
#include "../src/internal.h"

TEST(words_and_lines_come_one_after_the_other) {
    const char *text = "  one\ttwo \n\nthree";
    CHECK_TEXT(saker_word(&text), "one");
    CHECK_TEXT(saker_line(&text), "\ttwo ");
    CHECK_TEXT(saker_line(&text), "");
    CHECK_TEXT(saker_line(&text), "three");
    CHECK_TEXT(saker_line(&text), NULL);
    CHECK_TEXT(saker_word(&text), NULL);
    const char *blank = " \n ";
    CHECK_TEXT(saker_word(&blank), NULL);
    CHECK_TEXT(saker_word(&blank), NULL);
}

TEST(pairs_are_split_at_a_colon_or_at_white_space) {
    const char *text = "MemTotal:  5 kB \r\npgfault 7\nlonely\n: x\n\n  a:b";
    const char *key, *rest;
    CHECK(saker_pair(&text, &key, &rest));
    CHECK_TEXT(key, "MemTotal");
    CHECK_TEXT(rest, "5 kB");
    CHECK(saker_pair(&text, &key, &rest));
    CHECK_TEXT(key, "pgfault");
    CHECK_TEXT(rest, "7");
    CHECK(saker_pair(&text, &key, &rest));
    CHECK_TEXT(key, "a");
    CHECK_TEXT(rest, "b");
    CHECK(!saker_pair(&text, &key, &rest));
}

TEST(numbers_are_finite_and_decimal) {
    double number = 0;
    CHECK(saker_number("2.5", "p", &number));
    CHECK_NUMBER(number, 2.5);
    CHECK(saker_number("-1e3", "p", &number));
    CHECK_NUMBER(number, -1000);
    static const char *const bad[] = {"", "x", "inf", "nan", "0x10", "1e999", "1,5", "1 ", " 1", "--1", "e", "1.2.3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!saker_number(bad[i], "p", &number));
        CHECK_TEXT(saker_why(), saker_format("malformed: p: expected a number, found \"%s\"", bad[i]));
    }
    CHECK(!saker_number(NULL, "p", &number));
    CHECK_TEXT(saker_why(), "malformed: p: expected a number, found the end");
    CHECK_NUMBER(number, -1000);
}

TEST(every_number_that_is_appended_is_read_back) {
    static const double small[] = {0, -0.0, 1, -1.5, 0.1, 1.0 / 3, 42.613263296126064, 123456.789, 1e-7, 5e-324};
    static const double large[] = {1e15, 2.5e15, 9007199254740993.0, 1e21, -1e300, 1.7976931348623157e308};
    for (size_t i = 0; i < 16; i++) {
        double number = i < 10 ? small[i] : large[i - 10];
        saker_text text = {0};
        saker_append_number(&text, number);
        CHECK_NUMBER(strtod(text.bytes, NULL), number);
    }
    saker_text text = {0};
    saker_append_number(&text, 0.1);
    saker_append(&text, " ");
    saker_append_number(&text, -3);
    CHECK_TEXT(text.bytes, "0.1 -3");
}

TEST(a_text_grows_as_far_as_it_must) {
    saker_text text = {0};
    for (int i = 0; i < 10000; i++) {
        saker_append(&text, "%d,", i % 10);
    }
    CHECK_NUMBER(text.length, 20000);
    CHECK_NUMBER(strlen(text.bytes), 20000);
    CHECK(memcmp(text.bytes + 19996, "8,9,", 4) == 0);
}

TEST(a_tag_holds_nothing_that_would_end_it) {
    CHECK_TEXT(saker_tag_value("/mnt/a,b=c\nd e\x7F\xC3\xA9"), "/mnt/a,b=c_d e_\xC3\xA9");
    CHECK_TEXT(saker_tag_value("a\xC2\x85z\xC2\xA0\xC2"), "a_z\xC2\xA0\xC2");
    CHECK(saker_starts_with("cpu.busy", "cpu.") && saker_starts_with("a", "") && !saker_starts_with("a", "ab"));
}

TEST(what_is_no_utf8_is_replaced) {
    const char *good = "caf\xC3\xA9";
    CHECK(saker_utf8(good) == good);
    CHECK_TEXT(saker_utf8("\xFFz\xC3"), "\xEF\xBF\xBDz\xEF\xBF\xBD");
    CHECK_TEXT(saker_utf8("a\xED\xA0\x80"), "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(what_is_kept_outlives_the_call) {
    const char *kept = saker_keep("%s-%d", "a", 1);
    const char *long_one = saker_keep("%0100000d", 7);
    saker_call_ends();
    saker_format("%0100000d", 8);
    CHECK_TEXT(kept, "a-1");
    CHECK_NUMBER(strlen(long_one), 100000);
}

TEST(memory_of_a_call_is_aligned_zero_and_ones_own) {
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 6000; size += 7) {
            char *bytes = saker_alloc(size);
            CHECK(((uintptr_t)bytes & 15) == 0);
            for (size_t i = 0; i < size; i++) {
                CHECK(bytes[i] == 0);
            }
            memset(bytes, 0xFF, size);
            saker_arena_copy(&saker_call_arena, "x", 1);
        }
        saker_call_ends();
    }
}

TEST(blocks_grow_wherever_they_stand_among_others) {
    char *blocks[3] = {0};
    for (size_t size = 1; size < 5000; size += 611) {
        for (int i = 0; i < 3; i++) {
            blocks[i] = saker_arena_resize(&saker_call_arena, blocks[i], size);
            blocks[i][size - 1] = (char)i;
        }
    }
    for (int i = 0; i < 3; i++) {
        CHECK(blocks[i][0] == (char)i);
    }
}

static const char *temporary(size_t size) {
    const char *path = saker_keep("/tmp/saker-sdk-c-%ld", (long)getpid());
    FILE *file = fopen(path, "w");
    CHECK(file);
    for (size_t i = 0; i < size; i++) {
        fputc(i == 5 ? 0 : 'x', file);
    }
    fclose(file);
    return path;
}

TEST(a_file_of_any_size_is_read_whole) {
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 20000, 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t length = 0;
        const char *path = temporary(sizes[i]);
        const char *bytes;
        CHECK(saker_read_bytes(path, &bytes, &length));
        remove(path);
        CHECK_NUMBER(length, sizes[i]);
        CHECK(bytes[length] == 0);
    }
}

TEST(a_kept_file_is_read_from_its_beginning_each_time) {
    const char *path = temporary(3);
    saker_kept_file kept = {.path = path};
    const char *text = "";
    for (int i = 0; i < 3; i++) {
        CHECK(saker_read_kept(&kept, &text));
        CHECK_NUMBER(strlen(text), 3);
    }
    remove(path);
    saker_kept_close(&kept);
    CHECK(!saker_read_kept(&kept, &text));
    CHECK(saker_starts_with(saker_why(), "unavailable: "));
    kept.path = "/proc/self/comm";
    CHECK(saker_read_kept(&kept, &text) && saker_read_kept(&kept, &text) && *text);
    saker_kept_close(&kept);
}

TEST(a_file_that_is_not_there_is_unavailable_or_none) {
    const char *text = "";
    CHECK(!saker_read("/nowhere/at/all", &text));
    CHECK_TEXT(saker_why(), "unavailable: /nowhere/at/all: No such file or directory");
    CHECK(saker_read_if_there("/nowhere/at/all", &text));
    CHECK_TEXT(text, NULL);
    CHECK(!saker_read_if_there("/", &text));
    CHECK_TEXT(saker_why(), "unavailable: /: Is a directory");
    CHECK(saker_read_if_there("/proc/self/comm", &text) && text);
}
