/* SPDX-License-Identifier: MIT */
/*
 * The command "import": users with all they have, from another server, as the input of the command
 * in XEP-0227's form, one after the other. It needs no running sm, only storage.
 *
 *   <server-data xmlns='urn:xmpp:pie:0'>
 *     <host jid='example.org'>
 *       <user name='ann' password='...'>   no password: an account without keys
 *         <query xmlns='jabber:iq:roster'>, <offline-messages>, <presence type='subscribe'>,
 *         <vCard xmlns='vcard-temp'>, <query xmlns='jabber:iq:private'>
 *         <problem xmlns='urn:jackdaw:import'>what the sender could not bring</problem>
 *       </user>
 *       <problem xmlns='urn:jackdaw:import'/>
 *
 * Its word "dry-run" writes nothing and counts the same. A <host/> may be 64 MB; senders put one
 * user into each.
 */
#pragma once

#define NS_PIE "urn:xmpp:pie:0"
#define NS_IMPORT_PROBLEM "urn:jackdaw:import"

enum { IMPORT_HOST_MAX = 64 << 20 };

struct ctl;
struct process;
struct user_imports;

struct user_imports *user_imports_new(struct ctl *ctl, struct process *process);
void user_imports_free(struct user_imports **imports); /* after the ctl; NULL in it is fine */
