// Memory that is freed at once: bump allocation in chunks, and blocks of their own for what is large or grows.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/// Bytes of a chunk. Tests set it to 0: then every allocation is a block of its own, whose ends sanitizers watch.
#ifndef SAKER_ARENA_CHUNK
#define SAKER_ARENA_CHUNK ((size_t)16 << 10)
#endif

enum { ALIGNMENT = 16 };

struct saker_block {
    struct saker_block *before;
    struct saker_block *after;
    _Alignas(ALIGNMENT) char bytes[];
};

saker_arena saker_call_arena, saker_life_arena;

static struct saker_block *block_of(char *bytes) {
    return (struct saker_block *)(void *)(bytes - offsetof(struct saker_block, bytes));
}

void *saker_checked(void *memory) {
    if (!memory) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *saker_arena_resize(saker_arena *arena, void *bytes, size_t size) {
    struct saker_block *old = bytes ? block_of(bytes) : NULL;
    bool is_new = !old;
    bool is_possible = size < SIZE_MAX - sizeof *old;
    struct saker_block *block = saker_checked(is_possible ? realloc(old, sizeof *old + size) : NULL);
    if (is_new) {
        block->before = NULL;
        block->after = arena->first;
    }
    // Its neighbours know it by where it was.
    if (block->before) {
        block->before->after = block;
    } else {
        arena->first = block;
    }
    if (block->after) {
        block->after->before = block;
    }
    return block->bytes;
}

void *saker_arena_alloc(saker_arena *arena, size_t size, size_t align) {
    size_t room = arena->at ? (size_t)(arena->end - arena->at) : 0;
    size_t gap = -(uintptr_t)arena->at & (align - 1);
    if (!arena->at || gap > room || size > room - gap) {
        if (size > SAKER_ARENA_CHUNK / 4) {
            return saker_arena_resize(arena, NULL, size);
        }
        arena->at = saker_arena_resize(arena, NULL, SAKER_ARENA_CHUNK);
        arena->end = arena->at + SAKER_ARENA_CHUNK;
        gap = 0;
    }
    char *bytes = arena->at + gap;
    arena->at = bytes + size;
    return bytes;
}

void saker_arena_clear(saker_arena *arena) {
    struct saker_block *chunk = arena->at ? block_of(arena->end - SAKER_ARENA_CHUNK) : NULL;
    for (struct saker_block *block = arena->first, *next; block; block = next) {
        next = block->after;
        if (block != chunk) {
            free(block);
        }
    }
    arena->first = chunk;
    if (chunk) {
        chunk->before = chunk->after = NULL;
        arena->at = chunk->bytes;
    }
}

void saker_arena_free(saker_arena *arena) {
    saker_arena_clear(arena);
    free(arena->first);
    *arena = (saker_arena){0};
}

char *saker_arena_copy(saker_arena *arena, const char *bytes, size_t length) {
    char *copy = saker_arena_alloc(arena, length + 1, 1);
    memcpy(copy, bytes, length);
    copy[length] = 0;
    return copy;
}

char *saker_arena_format(saker_arena *arena, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    size_t room = arena->at ? (size_t)(arena->end - arena->at) : 0;
    char *text = arena->at;
    int length = vsnprintf(text, room, format, arguments);
    // Only a format of wide characters can fail, and no text of ours has any.
    size_t size = (size_t)(length < 0 ? 0 : length) + 1;
    if (size <= room) {
        arena->at += size;
    } else {
        text = saker_arena_alloc(arena, size, 1);
        vsnprintf(text, size, format, again);
    }
    va_end(again);
    return text;
}

void *saker_alloc(size_t size) {
    return memset(saker_arena_alloc(&saker_call_arena, size, ALIGNMENT), 0, size);
}

const char *saker_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = saker_arena_format(&saker_call_arena, format, arguments);
    va_end(arguments);
    return text;
}

const char *saker_keep(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = saker_arena_format(&saker_life_arena, format, arguments);
    va_end(arguments);
    return text;
}
