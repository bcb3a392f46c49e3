/* service - what a service manager is told: sd_notify(3) by hand, a datagram to $NOTIFY_SOCKET (a path, or '@' and an abstract name). Without
 * one nothing is said. WATCHDOG=1 is sent by the loop at half of $WATCHDOG_USEC, so it stops when the loop does. */
#pragma once
#include <stdint.h>
#include "base/attr.h"
#include "net/loop.h"

struct service {
	struct loop *loop;
	int fd;                              /* -1 = nobody listens */
	int64_t watchdog_ms;                 /* 0 = none */
	struct loop_timer watchdog;
};

/* Takes the variables out of the environment, so that no child believes they are meant for it. */
void service_init(struct service *s, struct loop *loop);
void service_release(struct service *s);

void service_ready(struct service *s);                                     /* also after a reload */
void service_reloading(struct service *s);
void service_stopping(struct service *s);
void service_status(struct service *s, const char *fmt, ...) PRINTF_LIKE(2, 3);     /* one line for `systemctl status` */
