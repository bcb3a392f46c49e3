/* upstream_kind - what a transport implements. upstream.c picks one by the backend's configuration and passes everything on. */
#pragma once
#include "shim/upstream.h"

struct upstream_kind {
	enum err (*new)(const struct upstream_options *o, struct upstream **out, struct problem *why);
	void (*free)(struct upstream *u);
	void (*send)(struct upstream *u, struct delivery *d);
	void (*cancel)(struct upstream *u, struct delivery *d);
	void (*resume)(struct upstream *u);
	void (*end)(struct upstream *u, int64_t budget_ms, void (*ended)(void *arg), void *arg);
	bool (*has_read)(const struct upstream *u);      /* NULL: cannot be told, counts as yes */
};

struct upstream {                 /* first member of each transport's own struct */
	const struct upstream_kind *kind;
};

extern const struct upstream_kind upstream_http, upstream_stdio;
