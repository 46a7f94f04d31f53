// Runs the tests that have made themselves known, one after the other. Exits with 1 if any failed.
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "fake.h"

enum { MOST = 1000 };

static struct {
    const char *name;
    void (*run)(void);
} tests[MOST];
static size_t count;

/// Where a check that fails goes on.
static jmp_buf test_ends;

void saker_add_test(const char *name, void (*run)(void)) {
    if (count < MOST) {
        tests[count].name = name;
        tests[count++].run = run;
    }
}

void saker_test_fails(const char *file, int line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    if (saker_last_error.kind != SAKER_NO_ERROR) {
        fprintf(stderr, "    the last error is: %s\n", saker_why());
    }
    longjmp(test_ends, 1);
}

void saker_check_text(const char *file, int line, const char *what, const char *found, const char *expected) {
    bool is_same = found && expected ? strcmp(found, expected) == 0 : found == expected;
    if (!is_same) {
        saker_test_fails(file, line, "%s\n    is       %s\n    and not  %s", what, found ? found : "NULL",
                         expected ? expected : "NULL");
    }
}

void saker_check_number(const char *file, int line, const char *what, double found, double expected) {
    if (found != expected) {
        saker_test_fails(file, line, "%s is %.17g, and not %.17g", what, found, expected);
    }
}

/// Ends what a test has left: as an instance that is closed, which the agent opens anew.
static void clean_up(void) {
    fake_close();
    saker_call_ends();
    fake_reset_agent();
    saker_error_clear();
}

static bool passes(void (*run)(void)) {
    if (setjmp(test_ends)) {
        return false;
    }
    run();
    return true;
}

int main(void) {
    size_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_good = passes(tests[i].run);
        failed += !is_good;
        printf("%-6s %s\n", is_good ? "ok" : "FAILED", tests[i].name);
        clean_up();
    }
    printf("%zu ok, %zu failed\n", count - failed, failed);
    saker_arena_free(&saker_life_arena);
    saker_arena_free(&saker_call_arena);
    return failed || count == 0;
}
