/* SPDX-License-Identifier: MIT */
#include "c2s/sasl2.h"

#include "base/mem.h"
#include "base/table.h"
#include "c2s/client.h"
#include "c2s/login.h"
#include "jid/jid.h"
#include "stanza/ns.h"
#include "xml/nad.h"

enum { DEVICE_MAX = AUTH_DEVICE_LEN - 1 /* a UUID is meant */ };

bool sasl2_is_for(const struct client *client)
{
	return client->sasl2;
}

void sasl2_free(struct sasl2 **taken)
{
	struct sasl2 *sasl2 = *taken;

	*taken = NULL;
	if (!sasl2)
		return;
	nad_free(&sasl2->request);
	buf_wipe(&sasl2->data);
	buf_fini(&sasl2->inside);
	buf_wipe(&sasl2->token);
	jid_free(&sasl2->user);
	mem_wipe(&sasl2->key, sizeof(sasl2->key));
	mem_free(sasl2);
}

void sasl2_asked(void *owner, struct sx *sx, struct nad **authenticate)
{
	struct client *client = conn_owner(conn_of(sx));

	sasl2_free(&client->sasl2);
	client->sasl2 = mem_zalloc(MEM_CLIENT, sizeof(*client->sasl2));
	client->sasl2->request = *authenticate;
	*authenticate = NULL;
}

/* -- what is offered ------------------------------------------------------------------------------------ */

static void offer_feature(struct nad *features, const char *var)
{
	nad_append(features, NS_BIND2, "feature", 5);
	nad_append_attr(features, -1, "var", slice_of(var));
}

/* A session manager of ours is needed for each of these. */
void sasl2_offer(void *owner, struct sx *sx, struct nad *features)
{
	struct client *client = conn_owner(conn_of(sx));
	const struct domain *domain = client_domain(client);

	if (!domain || (domain->state != DOMAIN_LOCAL && domain->state != DOMAIN_OURS))
		return;
	nad_append(features, NS_STREAM_MANAGEMENT, "sm", 3);
	nad_append(features, NS_BIND2, "bind", 3);
	nad_append(features, NS_BIND2, "inline", 4);
	offer_feature(features, NS_CARBONS);
	offer_feature(features, NS_CSI);
	offer_feature(features, NS_STREAM_MANAGEMENT);
	login_offer_tokens(client, features);
}

/* -- the request ---------------------------------------------------------------------------------------- */

static int find(const struct client *client, const char *ns, const char *name)
{
	return nad_find_child(client->sasl2->request, 0, ns, name);
}

struct slice sasl2_device(const struct client *client)
{
	int agent = find(client, NS_SASL2, "user-agent");
	struct slice id = agent < 0 ? SLICE("") : nad_attr_value(client->sasl2->request, agent, "id");

	return id.len <= DEVICE_MAX && !memchr(id.data ? id.data : "", '\n', id.len) ? id : SLICE("");
}

/* The same for the same device of the same user, or another each time. It does not tell which device that is. */
static uint64_t number_of(struct client *client, struct slice tag)
{
	const struct process *process = client->c2s->worker->process;
	struct slice device = sasl2_device(client);
	AUTO(buf_fini) struct buf text = {0};
	struct hash_key key;
	uint64_t number;

	if (!device.len) {
		mio_random(client->c2s->worker->mio, &number, sizeof(number));
		return number;
	}
	memcpy(&key, process->secret, sizeof(key));
	buf_append_slice(&text, device);
	buf_append_char(&text, '\n');
	buf_append_slice(&text, jid_user(sx_identity(conn_sx(client->conn))));
	buf_append_char(&text, '\n');
	buf_append_slice(&text, tag);
	return hash_bytes(key, buf_slice(&text));
}

/* "TAG/NUMBER" (XEP-0386 section 3.2.1); a tag that no address can have is left out. */
static struct jid *make_address(struct client *client, int bind)
{
	const struct nad *request = client->sasl2->request;
	struct jid *user = sx_identity(conn_sx(client->conn)), *jid;
	int at = nad_find_child(request, bind, NS_BIND2, "tag");
	struct slice tag = at < 0 ? SLICE("") : nad_cdata(request, at);
	uint64_t number = number_of(client, tag);
	AUTO(buf_fini) struct buf text = {0};

	buf_append_slice(&text, tag);
	buf_printf(&text, "%s%016llx", tag.len ? "/" : "", (unsigned long long)number);
	jid = jid_with_resource(user, buf_slice(&text));
	if (jid)
		return jid;
	buf_clear(&text);
	buf_printf(&text, "%016llx", (unsigned long long)number);
	return jid_with_resource(user, buf_slice(&text));
}

struct packet *sasl2_bind_packet(struct client *client)
{
	struct packet *packet = client_packet_to_sm(client, SESSION_BIND);

	packet->ours = true;
	packet->session.id = str_ref(client->request);
	packet->session.target = jid_ref(client->jid);
	buf_append_slice(&packet->session.text, sasl2_device(client));
	buf_append_char(&packet->session.text, '\n');
	nad_print(client->sasl2->request, find(client, NS_BIND2, "bind"), NULL, &packet->session.text);
	return packet;
}

/* Its session manager knows nothing of all this, and nothing of it was offered. */
static bool is_foreign(struct client *client)
{
	const struct domain *domain = domain_get(client->c2s, jid_domain(sx_identity(conn_sx(client->conn))));

	return !domain || domain->state == DOMAIN_FOREIGN;
}

static bool ask_to_bind(struct client *client)
{
	int bind = find(client, NS_BIND2, "bind");
	struct packet *packet;

	if (bind < 0 || is_foreign(client))
		return false;
	jid_free(&client->jid);
	client->jid = make_address(client, bind);
	client_await_user(client);
	packet = sasl2_bind_packet(client);
	link_send(client->c2s->worker->link, &packet);
	return true;
}

/* -- the answer ------------------------------------------------------------------------------------------ */

static void grant(struct client *client, bool offers)
{
	struct sasl2 *sasl2 = client->sasl2;
	const struct jid *jid = client->jid ? client->jid : sx_identity(conn_sx(client->conn));
	struct slice data = buf_slice(&sasl2->data);
	AUTO(buf_wipe) struct buf all = {0};

	client->sasl2 = NULL;
	buf_reserve(&all, buf_used(&sasl2->inside) + buf_used(&sasl2->token) + 1);
	buf_append_slice(&all, buf_slice(&sasl2->inside));
	buf_append_slice(&all, buf_slice(&sasl2->token));
	sx_sasl2_granted(conn_sx(client->conn), sasl2->has_data ? &data : NULL, jid_full(jid), buf_slice(&all), offers);
	sasl2_free(&sasl2);
	client_go_on(client);
}

/* It gave up while it was let in: the next session of that device may have begun already, and must not end for this one. */
static bool is_gone(const struct client *client)
{
	return sx_has_ended(conn_sx(client->conn));
}

static void bind_or_grant(struct client *client)
{
	if (is_gone(client))
		sasl2_failed(client);
	else if (!ask_to_bind(client))
		grant(client, true);
}

void sasl2_go_on(struct client *client)
{
	int resume = find(client, NS_STREAM_MANAGEMENT, "resume");

	client->state = CLIENT_UNBOUND;
	if (is_gone(client)) {
		sasl2_failed(client);
		return;
	}
	if (!is_foreign(client) && !client_is_ours(client)) {
		sasl2_failed(client); /* it is being asked who serves the domain: in a moment there is an answer */
		return;
	}
	if (resume < 0 || is_foreign(client) || !ack_resume(client, client->sasl2->request, resume))
		bind_or_grant(client);
}

void sasl2_resumed(struct client *client)
{
	grant(client, false);
}

void sasl2_not_resumed(struct client *client)
{
	bind_or_grant(client);
}

void sasl2_bound(struct client *client, const struct packet *packet, struct slice inside)
{
	struct buf *out = &client->sasl2->inside;
	int bind = find(client, NS_BIND2, "bind");

	client->inactive = nad_find_child(client->sasl2->request, bind, NS_CSI, "inactive") >= 0;
	buf_append_text(out, "<bound xmlns='" NS_BIND2 "'>");
	if (packet->session.resume.known)
		ack_enabled(client, packet);
	buf_append_slice(out, inside);
	buf_append_text(out, "</bound>");
	grant(client, true);
}

void sasl2_failed(struct client *client)
{
	sasl2_free(&client->sasl2);
	client->state = CLIENT_LOGIN;
	sx_sasl2_denied(conn_sx(client->conn));
	client_go_on(client);
}
