/* xalloc - allocate or abort. Own allocations never return NULL; untrusted sizes are capped before they get here. */
#pragma once
#include "base/attr.h"
#include "base/span.h"

void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t size);          /* aborts on overflow of count * size */
void *xreallocarray(void *p, size_t count, size_t size);
char *xstrdup(const char *s);                      /* NULL stays NULL */
char *xstrndup(const char *s, size_t n);
char *span_dup(struct span s);                     /* owned, NUL-terminated; bytes after an inner NUL are kept */
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* For CLEANUP(free_charp) char *x. */
void free_charp(char **p);
void close_fdp(int *fd);                           /* closes when >= 0, sets -1 */
