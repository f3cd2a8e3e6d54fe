/* SPDX-License-Identifier: MIT */
/* Looking into a nad. */
#include "xml/tree.h"

unsigned nad_count(const struct nad *nad)
{
	return nad->used.elems;
}

unsigned nad_depth(const struct nad *nad, int elem)
{
	return nad->elems[elem].depth;
}

int nad_parent(const struct nad *nad, int elem)
{
	return nad->elems[elem].parent;
}

/* Elements stand in document order: a first child follows its parent at once. */
int nad_first_child(const struct nad *nad, int elem)
{
	int child = elem + 1;

	return child < (int)nad->used.elems && nad->elems[child].parent == elem ? child : -1;
}

int nad_next_sibling(const struct nad *nad, int elem)
{
	return nad->elems[elem].next;
}

int tree_end(const struct nad *nad, int elem)
{
	for (; elem >= 0; elem = nad->elems[elem].parent) {
		if (nad->elems[elem].next >= 0)
			return nad->elems[elem].next;
	}
	return (int)nad->used.elems;
}

struct slice nad_name(const struct nad *nad, int elem)
{
	return tree_slice(nad, nad->elems[elem].name);
}

struct slice nad_ns(const struct nad *nad, int elem)
{
	return tree_uri(nad, nad->elems[elem].ns);
}

struct slice nad_cdata(const struct nad *nad, int elem)
{
	return tree_slice(nad, nad->elems[elem].text);
}

bool nad_is(const struct nad *nad, int elem, const char *uri, const char *name)
{
	return slice_is(nad_name(nad, elem), name) && slice_is(nad_ns(nad, elem), uri);
}

/* elem or the first sibling behind it that fits. */
static int find_from(const struct nad *nad, int elem, const char *uri, const char *name)
{
	struct slice wanted = slice_of(uri);
	bool any_ns = uri && strcmp(uri, "*") == 0;

	for (; elem >= 0; elem = nad->elems[elem].next) {
		if (name && !slice_is(nad_name(nad, elem), name))
			continue;
		if (any_ns || slice_equal(nad_ns(nad, elem), wanted))
			break;
	}
	return elem;
}

int nad_find_child(const struct nad *nad, int elem, const char *uri, const char *name)
{
	return find_from(nad, nad_first_child(nad, elem), uri, name);
}

int nad_find_next(const struct nad *nad, int elem, const char *uri, const char *name)
{
	return find_from(nad, nad->elems[elem].next, uri, name);
}

static int find_attr(const struct nad *nad, int elem, struct slice uri, struct slice name)
{
	int attr = nad->elems[elem].first_attr;

	for (; attr >= 0; attr = nad->attrs[attr].next) {
		if (slice_equal(tree_slice(nad, nad->attrs[attr].name), name) &&
		    slice_equal(tree_uri(nad, nad->attrs[attr].ns), uri))
			break;
	}
	return attr;
}

bool nad_attr(const struct nad *nad, int elem, const char *uri, const char *name,
	      struct slice *value)
{
	int attr = find_attr(nad, elem, slice_of(uri), slice_of(name));

	*value = attr >= 0 ? tree_slice(nad, nad->attrs[attr].value) : (struct slice){NULL, 0};
	return attr >= 0;
}

struct slice nad_attr_value(const struct nad *nad, int elem, const char *name)
{
	struct slice value;

	nad_attr(nad, elem, NULL, name, &value);
	return value;
}

bool nad_attr_next(const struct nad *nad, int elem, int *at, struct nad_attr *attr)
{
	int next = *at < 0 ? nad->elems[elem].first_attr : nad->attrs[*at].next;

	if (next < 0)
		return false;
	*at = next;
	attr->uri = tree_uri(nad, nad->attrs[next].ns);
	attr->name = tree_slice(nad, nad->attrs[next].name);
	attr->value = tree_slice(nad, nad->attrs[next].value);
	return true;
}

bool nad_declares(const struct nad *nad, int elem, const char *uri)
{
	int space = nad->elems[elem].spaces;

	while (space >= 0 && !slice_is(tree_uri(nad, space), uri))
		space = nad->spaces[space].next;
	return space >= 0;
}
