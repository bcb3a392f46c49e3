#include "shim/held.h"
#include "base/xalloc.h"

#define HELD_MAX       1024                  /* with so much held back, the client is not read */
#define HELD_MAX_BYTES (8 * 1024 * 1024)

struct held_line {
	struct list node;
	char *bytes;
	size_t n;
};

void held_init(struct held *h)
{
	*h = (struct held){ 0 };
	list_init(&h->lines);
}

bool held_has_room(const struct held *h)
{
	return h->n < HELD_MAX && h->bytes < HELD_MAX_BYTES;
}

void held_add(struct held *h, struct span line)
{
	struct held_line *l = xmalloc(sizeof(*l));

	*l = (struct held_line){ .bytes = span_dup(line), .n = line.len };
	list_append(&h->lines, &l->node);
	h->n++;
	h->bytes += line.len;
}

char *held_take(struct held *h, size_t *n)
{
	struct held_line *l = list_first(&h->lines, struct held_line, node);
	char *bytes;

	if (!l)
		return NULL;
	bytes = l->bytes;
	*n = l->n;
	h->n--;
	h->bytes -= l->n;
	list_remove(&l->node);
	free(l);
	return bytes;
}

void held_release(struct held *h)
{
	size_t n;
	char *bytes;

	while ((bytes = held_take(h, &n)) != NULL)
		free(bytes);
}
