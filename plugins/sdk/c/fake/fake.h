/// What the parts of the fake know of each other.
#ifndef SAKER_FAKE_H
#define SAKER_FAKE_H

#include "../saker_test.h"
#include "../src/internal.h"

/// What the fake keeps lives until the next test begins.
extern saker_arena fake_arena;

const char *fake_copy(const char *text);

/// Puts the fake back to the very first start.
void fake_reset_agent(void);
void fake_reset_http(void);

#endif
