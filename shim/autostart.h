/* autostart - in cooperative mode the shim that asks for an approval, waits for one, or has used one, starts aegis-broker when none holds the
 * lock of the state folder (broker.autostart): at most once a minute, never from inside a sandbox (base/sandbox.h). What it starts has nothing of ours
 * but a log (state_dir/broker.log): two forks, a session of its own, "/", no descriptor, no lock, default signals, and of the environment
 * HOME, XDG_*, PATH, LANG, and what a desktop notification needs: DBUS_SESSION_BUS_ADDRESS, DISPLAY, WAYLAND_DISPLAY. Neither ends
 * with the other. No call waits for any of this. */
#pragma once
#include <sys/types.h>
#include "net/loop.h"

struct shim;

struct autostart {
	struct shim *shim;
	struct loop_timer again;             /* the broker may end meanwhile: once after each look, and while a call waits for a person */
	struct loop_source report;           /* of a start that is under way: its end, or errno */
	pid_t helper;                        /* of a start that is under way: the first fork; 0 = none */
	int64_t tried_us;                    /* 0 = never */
	bool is_refused_said, looks_again;
};

void autostart_init(struct autostart *a, struct shim *s);
void autostart_release(struct autostart *a);
void autostart_look(struct autostart *a);        /* people are to be told something. Costs next to nothing when a broker is there */
