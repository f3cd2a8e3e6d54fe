/* SPDX-License-Identifier: MIT */
/* Samples as text, OpenMetrics 1.0. */
#include "component/figures.h"

#include "base/buf.h"

#define PREFIX "jackdaw_"

/* Within quotes, section 3.2.1: so is the text of HELP, which may escape quotes too. */
static void append_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			buf_append_text(out, "\\n");
			continue;
		}
		if (*text == '\\' || *text == '"')
			buf_append_char(out, '\\');
		buf_append_char(out, *text);
	}
}

static void print_head(const struct figure *figure, struct buf *out)
{
	static const char *const types[] = {
		[FIGURE_GAUGE] = "gauge", [FIGURE_COUNTER] = "counter", [FIGURE_INFO] = "info"};

	buf_printf(out, "# TYPE " PREFIX "%s %s\n", figure->name, types[figure->kind]);
	if (figure->unit)
		buf_printf(out, "# UNIT " PREFIX "%s %s\n", figure->name, figure->unit);
	buf_printf(out, "# HELP " PREFIX "%s ", figure->name);
	append_escaped(out, figure->help);
	buf_append_char(out, '\n');
}

static void print_labels(const struct figure_sample *sample, struct buf *out)
{
	const char *before = "{";

	for (unsigned at = 0; at < FIGURE_LABELS && sample->values[at]; at++) {
		buf_printf(out, "%s%s=\"", before, sample->figure->labels[at].name);
		append_escaped(out, sample->values[at]);
		buf_append_char(out, '"');
		before = ",";
	}
	if (*before == ',')
		buf_append_char(out, '}');
}

void openmetrics_sample(void *to, const struct figure_sample *sample)
{
	static const char *const suffixes[] = {
		[FIGURE_GAUGE] = "", [FIGURE_COUNTER] = "_total", [FIGURE_INFO] = "_info"};
	struct openmetrics *openmetrics = to;
	struct buf *out = openmetrics->out;
	const struct figure *figure = sample->figure;

	if (sample->foreign || (figure->sparse && !sample->value))
		return;
	if (figure != openmetrics->last)
		print_head(figure, out);
	openmetrics->last = figure;
	buf_printf(out, PREFIX "%s%s", figure->name, suffixes[figure->kind]);
	print_labels(sample, out);
	if (figure->milli)
		buf_printf(out, " %lld.%03lld\n", (long long)sample->value / 1000,
			   (long long)sample->value % 1000);
	else
		buf_printf(out, " %lld\n", (long long)sample->value);
}

void openmetrics_end(struct openmetrics *openmetrics)
{
	buf_append_text(openmetrics->out, "# EOF\n");
}
