/* unit - what every unit test includes. A test file defines suite(). */
#pragma once
#include <check.h>
#include "base/attr.h"

Suite *suite(void);

/* Tests that need other processes start the test program itself as `program --peer ...` (unit/peer.h) and define what it then does. */
extern const char *unit_program;
int peer_main(int argc, char **argv);
