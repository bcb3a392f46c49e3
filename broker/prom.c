#include "broker/prom.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include "base/utf8.h"

void prom_metric(struct prom *p, const char *name, const char *type, const char *help)
{
	p->name = name;
	p->ok = p->ok && buf_printf(p->b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static bool escape(struct buf *b, const char *text)
{
	bool fits = true;

	for (size_t left = strlen(text); fits && left > 0;) {
		uint32_t code = 0;
		size_t n = utf8_decode(text, left, &code);
		if (*text == '\n')
			fits = buf_append_text(b, "\\n");
		else if (*text == '"' || *text == '\\')
			fits = buf_append_char(b, '\\') && buf_append_char(b, *text);
		else
			fits = n > 0 ? buf_append(b, text, n) : buf_append_text(b, "\xef\xbf\xbd");
		text += n > 0 ? n : 1;
		left -= n > 0 ? n : 1;
	}
	return fits;
}

static void begin(struct prom *p, const char *suffix, const struct prom_label *labels)
{
	p->ok = p->ok && buf_printf(p->b, "%s%s", p->name, suffix);
	for (const struct prom_label *l = labels; l && l->name; l++)
		p->ok = p->ok && buf_printf(p->b, "%s%s=\"", l == labels ? "{" : ",", l->name) && escape(p->b, l->value) && buf_append_char(p->b, '"');
	if (labels && labels->name)
		p->ok = p->ok && buf_append_char(p->b, '}');
}

void prom_count(struct prom *p, const char *suffix, const struct prom_label *labels, uint64_t n)
{
	begin(p, suffix, labels);
	p->ok = p->ok && buf_printf(p->b, " %" PRIu64 "\n", n);
}

void prom_value(struct prom *p, const char *suffix, const struct prom_label *labels, double value)
{
	begin(p, suffix, labels);
	p->ok = p->ok && buf_printf(p->b, " %.15g\n", value);
}

void prom_observe(struct prom_histogram *h, double value)
{
	size_t i = 0;

	assert(h->n <= PROM_BUCKETS);
	while (i < h->n && value > h->bounds[i])
		i++;
	if (i < h->n)
		h->counts[i]++;
	h->count++;
	h->sum += value;
}

void prom_write_histogram(struct prom *p, const struct prom_histogram *h, const struct prom_label *label)
{
	struct prom_label labels[3] = { { NULL, NULL } };
	size_t at = label ? 1 : 0;
	uint64_t sum = 0;
	char bound[32];

	if (label)
		labels[0] = *label;
	for (size_t i = 0; i < h->n; i++) {
		snprintf(bound, sizeof(bound), "%.15g", h->bounds[i]);
		labels[at] = (struct prom_label){ "le", bound };
		prom_count(p, "_bucket", labels, sum += h->counts[i]);
	}
	labels[at] = (struct prom_label){ "le", "+Inf" };
	prom_count(p, "_bucket", labels, h->count);
	labels[at] = (struct prom_label){ NULL, NULL };
	prom_value(p, "_sum", labels, h->sum);
	prom_count(p, "_count", labels, h->count);
}
