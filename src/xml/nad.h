/* SPDX-License-Identifier: MIT */
/*
 * NAD, "not a DOM": one element tree in flat arrays with integer links and all text in one byte buffer.
 *
 * Elements are numbered in document order; element 0 is the root. Names, values and text are slices into
 * the nad, never NUL-terminated, valid until the next edit. Every look-up names a namespace: NULL as uri
 * means "no namespace", which for attributes is the usual one.
 *
 * A nad is built and edited while its count is one; nad_ref() makes it read-only for good. It belongs to one thread: to another goes
 * a copy, packed and unpacked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct nad;

struct nad *nad_new(void);
struct nad *nad_ref(struct nad *nad);
void nad_free(struct nad **nad); /* drops one reference */
bool nad_is_shared(const struct nad *nad); /* read-only: do not edit, copy first */
struct nad *nad_copy(const struct nad *nad, int elem); /* of the subtree, as a new root, with what it needs in scope */
struct nad *nad_copy_without(const struct nad *nad, int child); /* of the whole, but for a child of the root; -1: none */
/* But for those children of the root that go. */
struct nad *nad_copy_unless(const struct nad *nad, bool (*goes)(const void *arg, const struct nad *nad, int child), const void *arg);
size_t nad_weight(const struct nad *nad); /* bytes of memory it holds */

/*
 * Packed: a copy in one piece of nad_packed_size() bytes of the caller's, aligned to 8, as is the size. It can be read and unpacked,
 * into a copy of one's own on any thread; it is not referenced and not freed.
 */
size_t nad_packed_size(const struct nad *nad);
struct nad *nad_pack(const struct nad *nad, void *piece);
struct nad *nad_unpack(const struct nad *packed);

/* Building, in document order. */

/* Declares on the next appended element; prefix NULL or "" is the default namespace. Returns its number. */
int nad_add_namespace(struct nad *nad, const char *uri, const char *prefix);
/* As a child, at depth (root: 0), of the last element of depth - 1. ns from nad_add_namespace() or -1. */
int nad_append_elem(struct nad *nad, int ns, const char *name, unsigned depth);
/* To the last appended element. ns -1: none. */
void nad_append_attr(struct nad *nad, int ns, const char *name, struct slice value);
/* Text inside the last element of depth - 1: before its first child, or behind its last one at depth. */
void nad_append_cdata(struct nad *nad, struct slice text, unsigned depth);
/* A copy of the subtree as a child at depth, namespaces carried over. Returns its number. */
int nad_append_tree(struct nad *nad, const struct nad *from, int elem, unsigned depth);

/* Shorthand: an element in uri as a child at depth; declares the namespace as default unless the parent has it so. */
int nad_append(struct nad *nad, const char *uri, const char *name, unsigned depth);
/* The same with text in it. */
int nad_append_text(struct nad *nad, const char *uri, const char *name, unsigned depth, struct slice text);

/* Reading. */

unsigned nad_count(const struct nad *nad); /* of elements */
unsigned nad_depth(const struct nad *nad, int elem);
int nad_parent(const struct nad *nad, int elem);        /* -1 for the root */
int nad_first_child(const struct nad *nad, int elem);   /* -1: none */
int nad_next_sibling(const struct nad *nad, int elem);  /* -1: none */
struct slice nad_name(const struct nad *nad, int elem);
struct slice nad_ns(const struct nad *nad, int elem);   /* uri, empty when none */
static inline bool nad_is(const struct nad *nad, int elem, const char *uri, const char *name)
{
	return slice_is(nad_name(nad, elem), name) && slice_is(nad_ns(nad, elem), uri);
}

struct slice nad_cdata(const struct nad *nad, int elem); /* before the first child */
/* Zeroes a text of the nad's own, a value or cdata, where it stands: it was a secret, and has been read. */
void nad_wipe(struct nad *nad, struct slice text);

/* elem, or the first sibling behind it so named (as below; no data: NULL); -1 when none, or elem is. */
int nad_find(const struct nad *nad, int elem, struct slice uri, struct slice name);
/* The first child of elem so named (name NULL: any name in uri; uri "*": any namespace), -1 when none. */
static inline int nad_find_child(const struct nad *nad, int elem, const char *uri, const char *name)
{
	return nad_find(nad, nad_first_child(nad, elem), slice_of(uri), slice_of(name));
}

/* The next sibling so named, behind elem. */
static inline int nad_find_next(const struct nad *nad, int elem, const char *uri, const char *name)
{
	return nad_find(nad, nad_next_sibling(nad, elem), slice_of(uri), slice_of(name));
}

/* False when absent; *value is empty then. */
bool nad_find_attr(const struct nad *nad, int elem, struct slice uri, struct slice name, struct slice *value);

static inline bool nad_attr(const struct nad *nad, int elem, const char *uri, const char *name, struct slice *value)
{
	return nad_find_attr(nad, elem, slice_of(uri), slice_of(name), value);
}

/* no namespace; empty when absent */
static inline struct slice nad_attr_value(const struct nad *nad, int elem, const char *name)
{
	struct slice value;

	nad_attr(nad, elem, NULL, name, &value);
	return value;
}

/* All attributes: for (int at = -1; nad_attr_next(nad, elem, &at, &attr);) in document order. */
struct nad_attr {
	struct slice uri, name, value;
};
bool nad_attr_next(const struct nad *nad, int elem, int *at, struct nad_attr *attr);
bool nad_declares(const struct nad *nad, int elem, const char *uri); /* elem itself declares the namespace */

/* Editing; not when shared. value NULL removes. */
void nad_set_attr(struct nad *nad, int elem, const char *uri, const char *name, const char *value);
/* What is in one namespace is in another from now on, in the whole tree. */
void nad_rename_namespace(struct nad *nad, const char *from, const char *to);

/*
 * Printing. Every prefix that the printed part uses is declared in it; scope is the default namespace that
 * stands around it ("jabber:client" within a client stream), so that it is not declared again. Attributes are
 * in single quotes. Empty elements print as <x/>.
 */
void nad_print(const struct nad *nad, int elem, const char *scope, struct buf *out);
/* What is inside elem, without its own tags. Of the root of a nad that several hold it is kept from the second time on. */
void nad_print_inside(const struct nad *nad, int elem, struct buf *out);
