/* err - "the machine failed": one negative enum for all layers, logged where it arises, passed up unchanged.
 * Answers (refused, must wait) are never errors; an operator's mistake is a struct problem. */
#pragma once
#include "base/attr.h"

enum err {
	OK = 0,
	ERR_IO = -1,              /* a system call failed in a way nobody expected; errno was logged */
	ERR_TOO_LARGE = -2,       /* a cap would be passed */
	ERR_NOT_FOUND = -3,
	ERR_PERMISSION = -4,
	ERR_INVALID = -5,         /* bytes from outside that break their grammar */
	ERR_UNSUPPORTED = -6,
	ERR_STORE_BUSY = -20,     /* the write gate was not won before its deadline */
	ERR_STORE_LOCKED = -21,   /* another program holds the database */
	ERR_STORE_FULL = -22,     /* disk full */
	ERR_STORE_READONLY = -23,
	ERR_STORE_CORRUPT = -24,
	ERR_STORE_MOVED = -25,    /* database or gate replaced or removed under us */
	ERR_STORE_NEWER = -26,    /* written by a newer Aegis that refuses us */
	ERR_STORE_MISSING = -27,  /* no database beside existing keys: not a first run */
	ERR_STORE_IO = -28,
	ERR_STORE_NETWORK_FS = -29,
};

/* One plain sentence without a full stop, e.g. "the database is locked by another program". Never NULL. */
const char *err_text(enum err e);

/* What an operator did wrong, and where. line and column count from 1; 0 = no place. */
struct problem {
	int line, column;
	char text[480];
};
void problem_set(struct problem *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
