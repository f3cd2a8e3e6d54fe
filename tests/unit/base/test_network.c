/* SPDX-License-Identifier: MIT */
/* Networks and the addresses in them. */
#include "base/network.h"

#include "unit.h"

static bool has(const char *text, const char *peer)
{
	struct network network;
	struct address address;

	assert_true(network_parse(text, &network));
	assert_true(address_of_peer(peer, &address));
	return network_has(&network, &address);
}

static void a_network_has_what_begins_like_it(void **state)
{
	assert_true(has("127.0.0.0/8", "127.200.0.1:5222"));
	assert_false(has("127.0.0.0/8", "128.0.0.1:5222"));
	assert_true(has("192.0.2.128/25", "192.0.2.129:1"));
	assert_false(has("192.0.2.128/25", "192.0.2.127:1"));
	assert_true(has("2001:db8::/33", "[2001:db8:7fff::1]:1"));
	assert_false(has("2001:db8::/33", "[2001:db8:8000::1]:1"));
}

static void an_address_is_a_network_of_itself(void **state)
{
	assert_true(has("192.0.2.1", "192.0.2.1:1"));
	assert_false(has("192.0.2.1", "192.0.2.2:1"));
	assert_true(has("::1", "[::1]:1"));
	assert_false(has("::1", "[::2]:1"));
}

static void no_bits_are_everything_of_a_kind(void **state)
{
	assert_true(has("0.0.0.0/0", "192.0.2.1:1"));
	assert_false(has("0.0.0.0/0", "[2001:db8::1]:1"));
	assert_true(has("::/0", "[2001:db8::1]:1"));
}

static void knows_an_ipv4_address_within_ipv6(void **state)
{
	assert_true(has("192.0.2.0/24", "[::ffff:192.0.2.7]:1"));
	assert_true(has("::ffff:192.0.2.0/24", "192.0.2.7:1"));
}

static void refuses_what_is_no_network(void **state)
{
	static const char *const odd[] = {"", "/", "/8", "localhost", "127.0.0.0/33", "::/129", "127.0.0.0/x",
					  "127.0.0.0/", "1.2.3", "1.2.3.4 ", "127.0.0.0/8/8", "::g"};
	struct network network;

	for (size_t at = 0; at < countof(odd); at++)
		assert_false(network_parse(odd[at], &network));
}

static void refuses_peers_without_an_address(void **state)
{
	static const char *const odd[] = {"unix", "", ":", "[:1", "[]:1", "[", "a:1"};
	struct address address;

	for (size_t at = 0; at < countof(odd); at++)
		assert_false(address_of_peer(odd[at], &address));
}

static bool is_same_customer(const char *one, const char *other)
{
	struct address a, b;

	assert_true(address_of_peer(one, &a) && address_of_peer(other, &b));
	return slice_equal(address_customer(&a), address_customer(&b));
}

static void a_customer_has_a_64_of_ipv6_and_one_address_of_ipv4(void **state)
{
	assert_true(is_same_customer("[2001:db8::1]:1", "[2001:db8::ffff:1]:2"));
	assert_false(is_same_customer("[2001:db8::1]:1", "[2001:db8:0:1::1]:1"));
	assert_true(is_same_customer("192.0.2.1:1", "192.0.2.1:2"));
	assert_false(is_same_customer("192.0.2.1:1", "192.0.2.2:1"));
}

static void a_list_has_whom_one_of_its_networks_has(void **state)
{
	const char *texts[] = {"192.0.2.0/24", "nonsense", "2001:db8::/32"};
	const struct conf_list list = {texts, 3}, none = {NULL, 0};
	struct networks networks;
	struct address address;

	networks_init(&networks, &list);
	assert_int_equal(networks.count, 2);
	assert_true(address_of_peer("192.0.2.7:1", &address) && networks_have(&networks, &address));
	assert_true(address_of_peer("[2001:db8::1]:1", &address) && networks_have(&networks, &address));
	assert_true(address_of_peer("192.0.3.7:1", &address) && !networks_have(&networks, &address));
	networks_fini(&networks);
	networks_init(&networks, &none);
	assert_false(networks_have(&networks, &address));
	networks_fini(&networks);
}

int main(void)
{
	const struct CMUnitTest network[] = {
		cmocka_unit_test(a_network_has_what_begins_like_it),
		cmocka_unit_test(an_address_is_a_network_of_itself),
		cmocka_unit_test(no_bits_are_everything_of_a_kind),
		cmocka_unit_test(knows_an_ipv4_address_within_ipv6),
		cmocka_unit_test(refuses_what_is_no_network),
		cmocka_unit_test(refuses_peers_without_an_address),
		cmocka_unit_test(a_customer_has_a_64_of_ipv6_and_one_address_of_ipv4),
		cmocka_unit_test(a_list_has_whom_one_of_its_networks_has),
	};

	return RUN(network);
}
