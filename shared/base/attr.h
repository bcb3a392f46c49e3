/* attr - the few compiler attributes and macros the code uses (gcc and clang). */
#pragma once
#include <stddef.h>

#define MUST_USE              __attribute__((warn_unused_result))
#define CLEANUP(fn)           __attribute__((cleanup(fn)))
#define PRINTF_LIKE(fmt, arg) __attribute__((format(printf, fmt, arg)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
