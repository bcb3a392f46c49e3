/* err - texts of the negative enum. */
#include "base/err.h"
#include <stdarg.h>

const char *err_text(enum err e)
{
	switch (e) {
	case OK: return "no error";
	case ERR_IO: return "a system call failed";
	case ERR_TOO_LARGE: return "it is larger than allowed";
	case ERR_NOT_FOUND: return "it does not exist";
	case ERR_PERMISSION: return "permission denied";
	case ERR_INVALID: return "it is not well-formed";
	case ERR_UNSUPPORTED: return "this system does not support it";
	case ERR_STORE_BUSY: return "the database was busy for too long";
	case ERR_STORE_LOCKED: return "the database is locked by another program";
	case ERR_STORE_FULL: return "the disk of the database is full";
	case ERR_STORE_READONLY: return "the database cannot be written";
	case ERR_STORE_CORRUPT: return "the database is corrupt (aegisctl repair keeps its files)";
	case ERR_STORE_MOVED: return "the database was replaced or removed (put it back, or run aegisctl repair)";
	case ERR_STORE_NEWER: return "the database was written by a newer Aegis";
	case ERR_STORE_MISSING: return "the database is missing beside its keys (aegisctl repair)";
	case ERR_STORE_IO: return "the database cannot be read or written";
	case ERR_STORE_NETWORK_FS: return "the database lies on a network file system";
	}
	return "unknown error";
}

void problem_set(struct problem *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->text, sizeof(p->text), fmt, ap);
	va_end(ap);
}
