#include "unit/unit.h"
#include <stddef.h>
#include "base/list.h"

struct item {
	int number;
	struct list node;
};

START_TEST(entries_come_in_the_order_they_were_appended)
{
	struct item items[3];
	struct list head;
	int sum = 0;

	list_init(&head);
	ck_assert(list_is_empty(&head));
	ck_assert_ptr_null(list_first(&head, struct item, node));
	for (int i = 0; i < 3; i++) {
		items[i].number = i;
		list_append(&head, &items[i].node);
	}
	list_for_each(it, &head, struct item, node)
		sum = sum * 10 + it->number;
	ck_assert_int_eq(sum, 12);
	ck_assert_ptr_eq(list_first(&head, struct item, node), &items[0]);
}
END_TEST

START_TEST(the_current_entry_may_be_removed)
{
	struct item items[4];
	struct list head;
	int seen = 0;

	list_init(&head);
	for (int i = 0; i < 4; i++) {
		items[i].number = i;
		list_append(&head, &items[i].node);
	}
	list_for_each(it, &head, struct item, node) {
		seen++;
		if (it->number % 2 == 0)
			list_remove(&it->node);
	}
	ck_assert_int_eq(seen, 4);
	ck_assert_int_eq(list_first(&head, struct item, node)->number, 1);
	list_remove(&items[1].node);
	list_remove(&items[1].node); /* stands alone now */
	list_remove(&items[3].node);
	ck_assert(list_is_empty(&head));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("list");
	TCase *t = tcase_create("list");

	tcase_add_test(t, entries_come_in_the_order_they_were_appended);
	tcase_add_test(t, the_current_entry_may_be_removed);
	suite_add_tcase(s, t);
	return s;
}
