/* SPDX-License-Identifier: MIT */
/*
 * What can be counted of a process: one table of names, sentences, kinds and where each value is,
 * for `jackdaw status` and for /metrics alike.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct process;

enum { FIGURE_LABELS = 2 };
enum figure_kind { FIGURE_GAUGE, FIGURE_COUNTER, FIGURE_INFO };

struct figure_label {
	const char *name; /* NULL: none */
	unsigned count;
	const char *(*value)(unsigned at); /* constant; NULL: that one does not exist */
};

/* Many of them, told apart by labels, or one. */
struct figure {
	enum figure_kind kind;
	const char *part;   /* whose it is; NULL: every process has it */
	const char *status; /* its name in `jackdaw status`; NULL: it is not shown there */
	bool apart;  /* there: those of the first label each, as "STATUS_VALUE"; otherwise all
			together */
	bool milli;  /* the value is in thousandths */
	bool sparse; /* many that mostly never happen: /metrics leaves out those of 0 */
	const char *name, *unit, *help; /* of OpenMetrics, without "jackdaw_" and "_total"; the name
					   ends in the unit; unit may be NULL */
	struct figure_label labels[FIGURE_LABELS];
	unsigned first; /* enum metric, when read is NULL: the last label runs fastest */
	bool (*read)(const struct process *process, unsigned at,
		     int64_t *value); /* at of the first label; false: there is none */
};

struct figure_sample {
	const struct figure *figure;
	const char *values[FIGURE_LABELS]; /* of the labels; NULL: there is no such label */
	int64_t value;
	bool foreign; /* of a part that this process has not: 0; `jackdaw status` shows it, /metrics
			 does not */
};

/* All, those of a figure one after another. Worker 0. */
typedef void figure_fn(void *to, const struct figure_sample *sample);
void figures_tell(const struct process *process, figure_fn *tell, void *to);

/* Prints samples as text of OpenMetrics 1.0; last is the figure of the one before, NULL at first.
 */
struct openmetrics {
	struct buf *out;
	const struct figure *last;
};

#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
void openmetrics_sample(void *openmetrics, const struct figure_sample *sample); /* a figure_fn */
void openmetrics_end(struct openmetrics *openmetrics);
