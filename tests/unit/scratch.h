/* scratch - a folder of its own for a test, removed with all that is in it. */
#pragma once
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/path.h"
#include "base/xalloc.h"
#include "unit/unit.h"

static inline int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static inline char *scratch_new(void)
{
	const char *base = getenv("TMPDIR");
	char *path = xasprintf("%s/aegis-test-XXXXXX", base && base[0] == '/' ? base : "/tmp");

	ck_assert_ptr_nonnull(mkdtemp(path));
	return path;
}

static inline void scratch_remove(char *path)
{
	(void)nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}
