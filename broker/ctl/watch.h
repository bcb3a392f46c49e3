/* watch - a view that is looked at once a second: drawn in place on a terminal, elsewhere printed when something has changed. */
#pragma once
#include "broker/ctl/ctl.h"

/* Writes the view to text, and to gist what makes it another one: times that run down do not. Anything but CTL_OK ends the watching. */
typedef enum ctl_exit watch_draw_fn(void *arg, FILE *text, FILE *gist);
MUST_USE enum ctl_exit watch_once(watch_draw_fn *draw, void *arg);   /* printed, and that is all */
/* Until draw ends it, or nobody reads any more (CTL_OK). */
MUST_USE enum ctl_exit watch_run(watch_draw_fn *draw, void *arg);
