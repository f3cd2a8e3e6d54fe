/* SPDX-License-Identifier: MIT */
/* Shared strings. */
#include "base/buf.h"

#include "base/mem.h"
#include "unit.h"

static void keeps_bytes_and_a_nul(void **state)
{
	struct str *str = str_new(SLICE("a\0b"));

	assert_int_equal(str_slice(str).len, 3);
	assert_memory_equal(str_slice(str).data, "a\0b", 4);
	assert_ptr_equal(str_text(str), str_slice(str).data);
	str_free(&str);
	assert_null(str);
}

static void lives_until_the_last_reference(void **state)
{
	struct heap *heap = heap_new("test"), *before = heap_enter(heap);
	struct str *one = str_new(SLICE("romeo")), *two = str_ref(one);
	struct heap_usage usage;

	assert_ptr_equal(one, two);
	str_free(&one);
	assert_string_equal(str_text(two), "romeo");
	str_free(&two);
	heap_usage(heap, &usage);
	assert_int_equal(usage.blocks[MEM_TEXT], 0);
	heap_enter(before);
	heap_drop(&heap);
}

static void takes_null_for_an_empty_string(void **state)
{
	struct str *none = NULL;

	assert_null(str_ref(NULL));
	assert_string_equal(str_text(NULL), "");
	assert_int_equal(str_slice(NULL).len, 0);
	str_free(&none);
	none = str_new((struct slice){NULL, 0});
	assert_string_equal(str_text(none), "");
	str_free(&none);
}

int main(void)
{
	const struct CMUnitTest str[] = {
		cmocka_unit_test(keeps_bytes_and_a_nul),
		cmocka_unit_test(lives_until_the_last_reference),
		cmocka_unit_test(takes_null_for_an_empty_string),
	};

	return RUN(str);
}
