/* failalloc - LD_PRELOAD for tests/fault/ledger/memory.test.mjs (Linux, glibc): one allocation fails, the n-th that a library asks for.
 *
 * FAILALLOC_FILE names a file of 8 bytes, an int64 that both sides map: the test writes n, each allocation of the library takes one away, and
 * the one that makes it 0 gets NULL. FAILALLOC_OF: whose - "own" (the program itself), a part of a library's file name ("sqlite"), or "other"
 * (none of own, sqlite, curl). Who asks is told by the return address. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
void *calloc(size_t count, size_t n);
void *malloc(size_t n);
void *realloc(void *p, size_t n);

struct ranges {
	struct { uintptr_t from, to; } v[32];
	size_t n;
	const char *of;
	bool is_inverted;
};
static struct ranges wanted;
static _Atomic(int64_t) *left;

static bool is_of(const char *file, const char *of)
{
	return strcmp(of, "own") == 0 ? file[0] == '\0' : strstr(file, of) != NULL;
}

static bool is_wanted(const char *file)
{
	if (wanted.is_inverted)
		return is_of(file, "own") || is_of(file, "sqlite") || is_of(file, "curl") || is_of(file, "failalloc");
	return is_of(file, wanted.of);
}

static int add_object(struct dl_phdr_info *o, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (size_t i = 0; i < o->dlpi_phnum && is_wanted(o->dlpi_name); i++) {
		uintptr_t from = o->dlpi_addr + o->dlpi_phdr[i].p_vaddr;
		if (o->dlpi_phdr[i].p_type != PT_LOAD || !(o->dlpi_phdr[i].p_flags & PF_X) || wanted.n == 32)
			continue;
		wanted.v[wanted.n].from = from;
		wanted.v[wanted.n++].to = from + o->dlpi_phdr[i].p_memsz;
	}
	return 0;
}

__attribute__((constructor)) static void begin(void)
{
	const char *file = getenv("FAILALLOC_FILE");
	int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;

	wanted.of = getenv("FAILALLOC_OF");
	if (fd < 0 || !wanted.of)
		return;
	wanted.is_inverted = strcmp(wanted.of, "other") == 0;
	dl_iterate_phdr(add_object, NULL);
	void *at = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		left = at;
}

static bool asks(uintptr_t from)
{
	bool is_in = false;

	for (size_t i = 0; i < wanted.n; i++)
		is_in |= from >= wanted.v[i].from && from < wanted.v[i].to;
	return is_in != wanted.is_inverted;
}

static bool fails(void *from)
{
	if (!left || atomic_load(left) <= 0 || !asks((uintptr_t)from) || atomic_fetch_sub(left, 1) != 1)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}
