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

int nad_find(const struct nad *nad, int elem, struct slice uri, struct slice name)
{
	bool any_ns = uri.len == 1 && *uri.data == '*';

	for (; elem >= 0; elem = nad->elems[elem].next) {
		if (name.data && !slice_equal(nad_name(nad, elem), name))
			continue;
		if (any_ns || slice_equal(nad_ns(nad, elem), uri))
			break;
	}
	return elem;
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

bool nad_find_attr(const struct nad *nad, int elem, struct slice uri, struct slice name, struct slice *value)
{
	int attr = find_attr(nad, elem, uri, name);

	*value = attr >= 0 ? tree_slice(nad, nad->attrs[attr].value) : (struct slice){NULL, 0};
	return attr >= 0;
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
