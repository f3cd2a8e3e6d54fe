/* SPDX-License-Identifier: MIT */
/* Stream errors, RFC 6120 section 4.9.3, and the namespaces of streams. */
#pragma once

enum sx_error {
	SX_ERROR_NONE,
	SX_BAD_FORMAT, SX_BAD_NAMESPACE_PREFIX, SX_CONFLICT, SX_CONNECTION_TIMEOUT, SX_HOST_GONE, SX_HOST_UNKNOWN,
	SX_IMPROPER_ADDRESSING, SX_INTERNAL_SERVER_ERROR, SX_INVALID_FROM, SX_INVALID_NAMESPACE, SX_INVALID_XML,
	SX_NOT_AUTHORIZED, SX_NOT_WELL_FORMED, SX_POLICY_VIOLATION, SX_REMOTE_CONNECTION_FAILED, SX_RESET,
	SX_RESOURCE_CONSTRAINT, SX_RESTRICTED_XML, SX_SEE_OTHER_HOST, SX_SYSTEM_SHUTDOWN, SX_UNDEFINED_CONDITION,
	SX_UNSUPPORTED_ENCODING, SX_UNSUPPORTED_FEATURE, SX_UNSUPPORTED_STANZA_TYPE, SX_UNSUPPORTED_VERSION,
	SX_ERRORS
};

const char *sx_error_name(enum sx_error error); /* "not-well-formed" */

#define NS_STREAM "http://etherx.jabber.org/streams"
#define NS_STREAM_ERROR "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_TLS "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_SASL2 "urn:xmpp:sasl:2"
#define NS_PIPELINING "urn:xmpp:iap:0" /* XEP-0509 */
#define NS_CLIENT "jabber:client"
