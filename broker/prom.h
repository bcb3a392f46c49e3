/* prom - text in the exposition format of Prometheus 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): HELP and TYPE before the
 * samples of a metric, these together, label values escaped, a line end at the end. Pure. */
#pragma once
#include <stdint.h>
#include "base/buf.h"

#define PROM_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct prom { struct buf *b; bool ok; const char *name; };
struct prom_label { const char *name, *value; };         /* ends with name NULL */

/* type: counter | gauge | histogram. What follows belongs to it. */
void prom_metric(struct prom *p, const char *name, const char *type, const char *help);
/* suffix: "", "_sum", ... labels may be NULL. */
void prom_count(struct prom *p, const char *suffix, const struct prom_label *labels, uint64_t n);
void prom_value(struct prom *p, const char *suffix, const struct prom_label *labels, double value);

#define PROM_BUCKETS 16
struct prom_histogram { const double *bounds; size_t n; uint64_t counts[PROM_BUCKETS], count; double sum; };    /* bounds ascend, without +Inf */
void prom_observe(struct prom_histogram *h, double value);
void prom_write_histogram(struct prom *p, const struct prom_histogram *h, const struct prom_label *label);        /* one label, or NULL */
