/* shown - foreign text made fit for a message: at most 40 bytes, controls and all beyond ASCII as "?", "..." where it was cut. */
#pragma once

struct shown {
	char text[44];
};
struct shown shown_of(const char *text);
