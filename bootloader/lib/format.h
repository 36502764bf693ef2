// A formatter of a hundred bytes of code: %u, %d (32 bits), %s and nothing
// else. Log lines and AT commands need no more.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef OTA_FORMAT_H
#define OTA_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

// Writes at most `size` bytes including the final NUL (`size` >= 1); what does
// not fit is cut. Returns the length that was written, without the NUL.
size_t format_text(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t format_text_v(char *text, size_t size, const char *format, va_list args);

#endif
