// The formatter: see format.h.
//
// SPDX-License-Identifier: Apache-2.0
#include "format.h"

#include <stdint.h>

struct sink {
    char *text;
    size_t size;
    size_t length;
};

static void put(struct sink *sink, char c)
{
    if (sink->length + 1 < sink->size) {
        sink->text[sink->length++] = c;
    }
}

static void put_unsigned(struct sink *sink, uint32_t value)
{
    char digits[10];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    while (count > 0) {
        put(sink, digits[--count]);
    }
}

static void put_argument(struct sink *sink, char kind, va_list *args)
{
    if (kind == 's') {
        for (const char *s = va_arg(*args, const char *); *s != '\0'; s++) {
            put(sink, *s);
        }
        return;
    }
    uint32_t value = va_arg(*args, uint32_t);
    if (kind == 'd' && (int32_t)value < 0) {
        put(sink, '-');
        value = 0u - value;
    }
    put_unsigned(sink, value);
}

size_t format_text_v(char *text, size_t size, const char *format, va_list args)
{
    struct sink sink = {text, size, 0};
    va_list list;
    va_copy(list, args);
    for (; *format != '\0'; format++) {
        if (*format == '%' && format[1] != '\0') {
            format++;
            put_argument(&sink, *format, &list);
        } else {
            put(&sink, *format);
        }
    }
    va_end(list);
    text[sink.length] = '\0';
    return sink.length;
}

size_t format_text(char *text, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t length = format_text_v(text, size, format, args);
    va_end(args);
    return length;
}
