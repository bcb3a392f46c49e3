/* list - intrusive, circular, doubly linked. A node stands in at most one list. Owns nothing. */
#pragma once
#include <stdbool.h>
#include "base/attr.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}
static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}
static inline void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}
static inline void list_remove(struct list *node) /* legal on a node that stands alone */
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_first(head, type, member) \
	(list_is_empty(head) ? NULL : container_of((head)->next, type, member))
/* The current entry may be removed inside the loop. */
/* NOLINTBEGIN(bugprone-macro-parentheses): it declares its variable */
#define list_for_each(var, head, type, member)                                               \
	for (type *var = container_of((head)->next, type, member), *var##_next =             \
	             container_of(var->member.next, type, member);                           \
	     &var->member != (head);                                                         \
	     var = var##_next, var##_next = container_of(var->member.next, type, member))
/* NOLINTEND(bugprone-macro-parentheses) */
