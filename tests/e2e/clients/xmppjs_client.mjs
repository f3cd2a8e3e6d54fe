// @xmpp/client logs in, sends a message, prints the one that it gets.
// usage: ADDRESS PASSWORD PORT starttls|direct CA PEER TEXT; the CA is in NODE_EXTRA_CA_CERTS, the packages in PACKAGES.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto; // Debian 12's node has it, but not there
const require = createRequire(`${process.env.PACKAGES}/`);
const { client, xml } = await import(pathToFileURL(require.resolve("@xmpp/client")));

const [address, password, port, tls, , peer, text] = process.argv.slice(2);
const [username, domain] = address.split("@");
const xmpp = client({
	service: `${tls === "direct" ? "xmpps" : "xmpp"}://localhost:${port}`,
	domain,
	username,
	password,
	timeout: 20000,
});

xmpp.on("error", (error) => {
	console.error(`not logged in: ${error.message}`);
	process.exit(1);
});
xmpp.on("online", async () => {
	await xmpp.send(xml("presence"));
	await xmpp.send(xml("message", { to: peer, type: "chat" }, xml("body", {}, text)));
});
xmpp.on("stanza", (stanza) => {
	if (!stanza.is("message")) return;
	console.log(stanza.getChildText("body"));
	xmpp.stop();
});
xmpp.on("close", () => process.exit(0)); // else it waits 2 s for a socket that is closed already
await xmpp.start();
