// The parts of string.h that the firmware uses, small instead of fast: the C
// library's are unrolled for speed and take 2 KB more. Copies go by words when
// both sides are aligned, which is where it matters: whole pages.
//
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <string.h>

// Else the compiler recognises the loops and calls the function being defined.
#pragma GCC optimize("no-tree-loop-distribute-patterns")

typedef uint32_t __attribute__((may_alias)) word;

void *memcpy(void *restrict dst, const void *restrict src, size_t size)
{
    uint8_t *to = dst;
    const uint8_t *from = src;
    if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0) {
        for (; size >= 4u; size -= 4u) {
            *(word *)(void *)to = *(const word *)(const void *)from;
            to += 4;
            from += 4;
        }
    }
    while (size-- > 0) {
        *to++ = *from++;
    }
    return dst;
}

void *memmove(void *dst, const void *src, size_t size)
{
    uint8_t *to = dst;
    const uint8_t *from = src;
    if ((uintptr_t)to <= (uintptr_t)from) {
        return memcpy(dst, src, size);
    }
    while (size-- > 0) {
        to[size] = from[size];
    }
    return dst;
}

void *memset(void *dst, int value, size_t size)
{
    uint8_t *to = dst;
    while (size-- > 0) {
        *to++ = (uint8_t)value;
    }
    return dst;
}

int memcmp(const void *left, const void *right, size_t size)
{
    const uint8_t *a = left;
    const uint8_t *b = right;
    if ((((uintptr_t)a | (uintptr_t)b) & 3u) == 0) {
        while (size >= 4u && *(const word *)(const void *)a ==
                                 *(const word *)(const void *)b) {
            a += 4;
            b += 4;
            size -= 4u;
        }
    }
    for (; size > 0; size--, a++, b++) {
        if (*a != *b) {
            return *a - *b;
        }
    }
    return 0;
}

void *memchr(const void *data, int value, size_t size)
{
    const uint8_t *at = data;
    for (; size > 0; size--, at++) {
        if (*at == (uint8_t)value) {
            return (void *)(uintptr_t)at;
        }
    }
    return NULL;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    return length;
}

int strncmp(const char *left, const char *right, size_t size)
{
    for (; size > 0; size--, left++, right++) {
        if (*left != *right) {
            return (uint8_t)*left - (uint8_t)*right;
        }
        if (*left == '\0') {
            break;
        }
    }
    return 0;
}

int strcmp(const char *left, const char *right)
{
    while (*left == *right && *left != '\0') {
        left++;
        right++;
    }
    return (uint8_t)*left - (uint8_t)*right;
}

char *strchr(const char *text, int value)
{
    for (;; text++) {
        if (*text == (char)value) {
            return (char *)(uintptr_t)text;
        }
        if (*text == '\0') {
            return NULL;
        }
    }
}
