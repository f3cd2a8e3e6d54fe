/* SPDX-License-Identifier: MIT */
/* Doubly linked lists through an embedded link; a head is a link that is its own neighbour. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/macros.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *list)
{
	list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

/* Adds before the head: at the end. */
static inline void list_append(struct list *head, struct list *link)
{
	link->next = head;
	link->prev = head->prev;
	head->prev->next = link;
	head->prev = link;
}

/* Takes the link out and leaves it an empty list of its own: removing twice is harmless. */
static inline void list_remove(struct list *link)
{
	link->next->prev = link->prev;
	link->prev->next = link->next;
	list_init(link);
}

static inline struct list *list_shift(struct list *head)
{
	struct list *first = head->next;

	if (first == head)
		return NULL;
	list_remove(first);
	return first;
}
