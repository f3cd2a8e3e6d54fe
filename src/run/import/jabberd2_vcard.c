/* SPDX-License-Identifier: MIT */
/* The columns of jabberd2's table vcard as a vCard: the table of its mod_iq_vcard. */
#include "run/import/jabberd2_vcard.h"

#include <string.h>
#include "stanza/ns.h"
#include "xml/nad.h"

/* Those of one parent stand together. */
static const struct {
	const char *parent, *name, *column;
} columns[] = {
	{NULL, "FN", "fn"},
	{"N", "FAMILY", "n-family"},
	{"N", "GIVEN", "n-given"},
	{"N", "MIDDLE", "n-middle"},
	{"N", "PREFIX", "n-prefix"},
	{"N", "SUFFIX", "n-suffix"},
	{NULL, "NICKNAME", "nickname"},
	{"PHOTO", "TYPE", "photo-type"},
	{"PHOTO", "BINVAL", "photo-binval"},
	{"PHOTO", "EXTVAL", "photo-extval"},
	{NULL, "BDAY", "bday"},
	{"ADR", "POBOX", "adr-pobox"},
	{"ADR", "EXTADD", "adr-extadd"},
	{"ADR", "STREET", "adr-street"},
	{"ADR", "LOCALITY", "adr-locality"},
	{"ADR", "REGION", "adr-region"},
	{"ADR", "PCODE", "adr-pcode"},
	{"ADR", "CTRY", "adr-country"},
	{"TEL", "NUMBER", "tel"},
	{"EMAIL", "USERID", "email"},
	{NULL, "JABBERID", "jabberid"},
	{NULL, "MAILER", "mailer"},
	{NULL, "TZ", "tz"},
	{"GEO", "LAT", "geo-lat"},
	{"GEO", "LON", "geo-lon"},
	{NULL, "TITLE", "title"},
	{NULL, "ROLE", "role"},
	{"LOGO", "TYPE", "logo-type"},
	{"LOGO", "BINVAL", "logo-binval"},
	{"LOGO", "EXTVAL", "logo-extval"},
	{"AGENT", "EXTVAL", "agent-extval"},
	{"ORG", "ORGNAME", "org-orgname"},
	{"ORG", "ORGUNIT", "org-orgunit"},
	{NULL, "NOTE", "note"},
	{NULL, "REV", "rev"},
	{NULL, "SORT-STRING", "sort-string"},
	{"SOUND", "PHONETIC", "sound-phonetic"},
	{"SOUND", "BINVAL", "sound-binval"},
	{"SOUND", "EXTVAL", "sound-extval"},
	{NULL, "UID", "uid"},
	{NULL, "URL", "url"},
	{NULL, "DESC", "desc"},
	{"KEY", "TYPE", "key-type"},
	{"KEY", "CRED", "key-cred"},
};

void jabberd2_vcard(struct nad *nad, unsigned depth,
		    struct slice (*value)(void *arg, const char *column), void *arg)
{
	const char *open = NULL;

	nad_append(nad, NS_VCARD, "vCard", depth);
	for (size_t at = 0; at < countof(columns); at++) {
		const char *parent = columns[at].parent;
		struct slice text = value(arg, columns[at].column);

		if (!text.len)
			continue;
		if (parent && (!open || strcmp(open, parent) != 0))
			nad_append(nad, NS_VCARD, parent, depth + 1);
		open = parent;
		if (parent && !strcmp(parent, "TEL"))
			nad_append(nad, NS_VCARD, "VOICE", depth + 2);
		nad_append_text(nad, NS_VCARD, columns[at].name, parent ? depth + 2 : depth + 1,
				text);
	}
}
