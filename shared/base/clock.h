/* clock - the only place that reads clocks. All in integer ms, or us where the name says so. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/attr.h"

int64_t clock_wall_ms(void);  /* UTC since 1970; for people */
int64_t clock_boot_ms(void);  /* since boot, counts suspend (CLOCK_BOOTTIME; macOS mach_continuous_time) */
int64_t clock_boot_us(void);  /* the same clock in us */
int64_t clock_mono_us(void);  /* for durations inside one process */

/* Names this boot of the machine and by how many ms the time namespace is ahead of its boot clock: "<boot_id>:0", "<boot_id>:3600000". Where
 * that cannot be told, "<boot_id>:ns<inode of /proc/self/ns/time>": such a number may belong to another namespace later. */
void clock_boot_name(char *out, size_t size);

/* "2026-11-20T10:15:30.123Z"; out holds at least 25 bytes. */
void clock_format_utc(int64_t wall_ms, char *out, size_t size);
