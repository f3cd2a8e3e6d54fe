#!/usr/bin/python3
"""From Debian's jabberd2 to ours: its database is taken in, and people find what they left."""
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

from harness import BINARY, Deployment, Raw, body, free_port, scenarios
from jabberd2 import Jabberd2
from test_mixes import DELAY, Person, befriend, outlives, register

ROSTER = '{jabber:iq:roster}'
FULL = '--full' in sys.argv  # the size that is promised (make kills)
USERS, CHECKED = 10000 if FULL else 2000, 20
sys.argv = [argument for argument in sys.argv if argument != '--full']


def roster(person):
    """What jabber:iq:roster answers, without its order."""
    answer = person.ask("<query xmlns='jabber:iq:roster'/>", type='get')
    return {item.get('jid'): (item.get('name'), item.get('subscription'), item.get('ask'),
                              sorted(group.text for group in item.findall(f'{ROSTER}group')))
            for item in answer.find(f'{ROSTER}query')}


def log_in(server, name, *args, **options):
    """jabberd2's c2s trips, now and then, over a descriptor that comes back at once: internal-server-error."""
    for patience in (5, 4, 3, 2, 1, 0):
        try:
            return Person(server, name, *args, **options)
        except AssertionError:
            if not isinstance(server, Jabberd2) or not patience:
                raise
            time.sleep(0.3)


def leave(*people):
    for person in people:
        person.send('</stream:stream>')
        while person.receive() is not None:
            pass
        person.socket.close()


def waiting(person, count):
    """Messages that waited, each with its text and time."""
    found = []
    while len(found) < count:
        message = person.want('message', 60)
        found.append((body(message), message.find(DELAY).get('stamp').replace('.000Z', 'Z'), message.get('from')))
    return found


def counts(deployment, *words, code=0):
    result = deployment.command('import', 'jabberd2', *words, '--json', code=code)
    found = json.loads(result.stdout)
    found.pop('dry_run')
    return found


def add(person, jid, name, *groups):
    groups = ''.join(f'<group>{group}</group>' for group in groups)
    person.ask(f"<query xmlns='jabber:iq:roster'><item jid='{jid}' name='{name}'>{groups}</item></query>")


VCARD = ("<vCard xmlns='vcard-temp'><FN>Alice &amp; co</FN><N><FAMILY>Liddell</FAMILY><GIVEN>Alice</GIVEN></N>"
         '<EMAIL><USERID>alice@example.com</USERID></EMAIL></vCard>')
BOOKMARKS = "<storage xmlns='storage:bookmarks'><conference jid='tea@rooms.example' name='Tea'/></storage>"


def fill(server):
    """Four people: two friends with groups, one who is asked, one for whom messages wait."""
    register(server, 'alice', 'bob', 'carol', 'dora')
    alice, bob = log_in(server, 'alice', 'home'), log_in(server, 'bob', 'desk')
    befriend(alice, bob)
    add(alice, 'bob@localhost', 'Bob &lt;3', 'Friends', 'Work &amp; play')
    add(alice, 'nobody@elsewhere.example', 'Far', 'Friends')
    add(bob, 'alice@localhost', 'Älice', 'Family')
    for name in ('carol', 'dora'):
        leave(log_in(server, name))
    alice.ask("<query xmlns='jabber:iq:private'>" + BOOKMARKS + '</query>')
    alice.ask(VCARD)
    alice.send("<presence type='subscribe' to='carol@localhost'><status>please</status></presence>")
    for number in range(3):
        alice.message('dora@localhost', f'message {number}')
    alice.ping()
    rosters = {'alice': roster(alice), 'bob': roster(bob)}
    assert rosters['alice']['bob@localhost'] == ('Bob <3', 'both', None, ['Friends', 'Work & play']), rosters
    assert rosters['alice']['carol@localhost'][2] == 'subscribe', rosters
    leave(alice, bob)
    return rosters


def _stored(deployment, store):
    """Rows of a store of the stopped server."""
    with sqlite3.connect(f'{deployment.dir}/data/jackdaw.db') as database:
        return {(owner.decode(), item.decode()): value.decode() for owner, item, value in
                database.execute('SELECT owner, item, value FROM keyed WHERE store=?', (store,))}


def _compare(theirs, ours, rosters):
    for name, mechanism in (('alice', 'PLAIN'), ('bob', 'SCRAM-SHA-1')):
        person = log_in(ours, name, mechanism=mechanism)
        assert roster(person) == rosters[name], (roster(person), rosters[name])
        leave(person)
    found = [waiting(log_in(server, 'dora'), 3) for server in (theirs, ours)]
    assert found[0] == found[1] and [text for text, _, _ in found[1]] == ['message 0', 'message 1', 'message 2'], found
    carol = log_in(ours, 'carol')
    request = carol.want('presence', type='subscribe')
    assert request.get('from') == 'alice@localhost', ElementTree.tostring(request)
    carol.send("<presence type='subscribed' to='alice@localhost'/>")
    carol.ping()
    alice = log_in(ours, 'alice')
    assert roster(alice)['carol@localhost'][1:3] == ('to', None), roster(alice)


def people_find_what_they_left_at_jabberd2():
    with Deployment() as deployment, Jabberd2(deployment.dir, free_port(), ('router', 'sm', 'c2s')) as jabberd2:
        rosters = fill(jabberd2)
        wanted = {'added': 4, 'existed': 0, 'refused': 0, 'without_password': 0, 'contacts': 4, 'requests': 1,
                  'messages': 3, 'vcards': 1, 'private': 1, 'problems': 0}
        assert counts(deployment, jabberd2.dir, '--dry-run') == wanted
        assert deployment.command('user', 'list').stdout == ''
        deployment.start()
        assert counts(deployment, jabberd2.dir, '--dry-run') == wanted
        assert counts(deployment, jabberd2.dir) == wanted
        again = counts(deployment, jabberd2.dir)
        assert again == dict.fromkeys(wanted, 0) | {'existed': 4}, again
        assert 'nothing was added' in deployment.command('import', 'jabberd2', jabberd2.dir).stdout
        _compare(jabberd2, deployment, rosters)
        deployment.processes['run'].stop()
        vcard = _stored(deployment, 6)[('alice@localhost', 'vCard')]
        assert ElementTree.canonicalize(vcard) == ElementTree.canonicalize(VCARD), vcard
        bookmarks = _stored(deployment, 7)[('alice@localhost', '{storage:bookmarks}storage')]
        assert ElementTree.canonicalize(bookmarks) == ElementTree.canonicalize(BOOKMARKS), bookmarks


# -- many


def _many(path):
    """
    Users whose tables are as jabberd2's sm and c2s write them. Contacts know the same of each other, or the first
    login would set them right: five ahead and five behind.
    """
    stanza = ("'NAD<route xmlns=''http://jabberd.jabberstudio.org/ns/component/1.0'' from=''localhost'' to=''localhost''>"
              "<message xmlns=''jabber:client'' from=''user00001@localhost/x'' to=''' || a.name || '@localhost'' "
              "type=''chat''><delay xmlns=''urn:xmpp:delay'' from=''localhost'' stamp=''2026-11-20T10:00:0' || k.i || "
              "'Z''/><body>message ' || k.i || ' &amp; more</body></message></route>'")
    with sqlite3.connect(path) as database:
        database.executescript(f"""
CREATE TEMP TABLE many AS WITH RECURSIVE count(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM count WHERE i + 1 < {USERS})
 SELECT i, printf('user%05d', i) AS name FROM count;
INSERT INTO authreg SELECT name, 'localhost', 'secret' FROM many;
INSERT INTO active ("collection-owner", time) SELECT name || '@localhost', 1700000000 FROM many;
INSERT INTO "roster-items" ("collection-owner", jid, name, "to", "from", ask)
 SELECT a.name || '@localhost', printf('user%05d@localhost', (a.i + far * ahead + {USERS}) % {USERS}),
 'Friend ' || far, far = 1 OR far = 2 AND ahead > 0 OR far = 3 AND ahead < 0,
 far = 1 OR far = 2 AND ahead < 0 OR far = 3 AND ahead > 0, far = 4 AND ahead > 0
 FROM many a, (SELECT i + 1 AS far FROM many WHERE i < 5), (SELECT 1 AS ahead UNION ALL SELECT -1);
INSERT INTO "roster-groups" ("collection-owner", jid, "group")
 SELECT "collection-owner", jid, g FROM "roster-items", (SELECT 'Friends' AS g UNION ALL SELECT 'Übung & mehr');
INSERT INTO queue ("collection-owner", xml) SELECT a.name || '@localhost', {stanza}
 FROM many a JOIN many k ON k.i < 3 WHERE a.i % 10 = 0;
""")


def thousands_of_users_come_in_within_minutes():
    with Deployment() as deployment, Jabberd2(deployment.dir, free_port(), ('router', 'sm', 'c2s')) as jabberd2:
        _many(f'{jabberd2.dir}/sm.db')
        wanted = {'added': USERS, 'existed': 0, 'refused': 0, 'without_password': 0, 'contacts': USERS * 10,
                  'requests': 0, 'messages': USERS // 10 * 3, 'vcards': 0, 'private': 0, 'problems': 0}
        assert counts(deployment, jabberd2.dir, '--dry-run') == wanted
        assert deployment.command('user', 'list').stdout == ''
        begun = time.time()
        result = subprocess.run([BINARY, 'import', 'jabberd2', jabberd2.dir, '--config', deployment.config, '--json'],
                                capture_output=True, text=True, timeout=1200)
        print(f'# {USERS} users in {time.time() - begun:.0f} s', flush=True)
        found = json.loads(result.stdout)
        assert not found.pop('dry_run') and found == wanted, (found, result.stderr)
        assert counts(deployment, jabberd2.dir)['existed'] == USERS
        deployment.start()
        chosen = random.Random(7)
        for number in [10 * chosen.randrange(USERS // 10) + at % 2 for at in range(CHECKED)]:
            _same(jabberd2, deployment, f'user{number:05}', 0 if number % 10 else 3)


def _same(theirs, ours, name, count):
    one, other = log_in(theirs, name), log_in(ours, name, mechanism='SCRAM-SHA-1')
    assert roster(one) == roster(other) and len(roster(one)) == 10, (name, roster(one), roster(other))
    assert waiting(one, count) == waiting(other, count), name
    leave(one, other)


# -- what is wrong


def _database(folder):
    os.makedirs(folder, exist_ok=True)
    return Jabberd2(folder, free_port(), ())


def rows_that_cannot_be_taken_are_counted_and_named():
    with Deployment() as deployment:
        path = _database(f'{deployment.dir}/other').dir + '/sm.db'
        with sqlite3.connect(path) as database:
            database.executescript("""
INSERT INTO authreg VALUES ('ann', 'localhost', 'secret'), ('eve', 'elsewhere.example', 'secret'),
 ('old', 'localhost', '$6$salt$hash'), ('none', 'localhost', NULL), ('Mixed', 'localhost', 'secret');
INSERT INTO active ("collection-owner") VALUES ('ann@localhost'), ('seen@localhost'), ('mixed@localhost');
INSERT INTO queue ("collection-owner", xml) VALUES ('ann@localhost', 'NAD<route><message'), ('gone@localhost', 'x');
INSERT INTO "roster-items" ("collection-owner", jid, "to", "from", ask) VALUES ('ann@localhost', '@', 0, 0, 0),
 ('ann@localhost', 'bob@localhost', 1, 0, 2);
""")
        result = deployment.command('import', 'jabberd2', f'sqlite:{path}', code=1)
        for wanted in ('eve@elsewhere.example is not of a domain', 'old@localhost: has a password that looks hashed',
                       'none@localhost: has no password', 'seen@localhost: has no password',
                       'ann@localhost: queue, row 1: no well-formed XML', 'ann@localhost: contact @ is no address',
                       'queue: 1 rows of gone@localhost'):
            assert wanted in result.stderr, (wanted, result.stderr)
        assert '5 users added, 0 existed already, 1 not taken; 3 without a password' in result.stdout, result.stdout
        assert '1 contacts' in result.stdout and '7 problems' in result.stdout, result.stdout
        listed = deployment.command('user', 'list').stdout.split()
        assert listed == ['ann@localhost', 'mixed@localhost', 'none@localhost', 'old@localhost', 'seen@localhost'], listed
        deployment.command('user', 'passwd', 'old@localhost', '--password-file', '-', input='secret\n')
        deployment.start()
        Raw(deployment.port).login('old', 'secret').close()
        Raw(deployment.port).login('mixed', 'secret').close()


def bad_sources_are_said_in_one_line():
    with Deployment() as deployment:
        other = _database(f'{deployment.dir}/other').dir
        with open(f'{other}/c2s.xml', 'w', encoding='utf-8') as file:
            file.write('<c2s><authreg></c2s>')
        with open(f'{other}/text', 'w', encoding='utf-8') as file:
            file.write('no database at all ' * 100)
        sqlite3.connect(f'{other}/empty.db').executescript('CREATE TABLE other (a)')
        for where, pattern in ((f'sqlite:{other}/text', 'not a database; name the file'),
                               (f'sqlite:{other}/empty.db', 'no such table.*no database of jabberd2'),
                               (f'sqlite:{other}/missing', 'unable to open.*is it there'),
                               (other, r'c2s\.xml: is no well-formed XML; xmllint'),
                               (deployment.dir, r'c2s\.xml: there is no such file: name the directory')):
            for verb in ('jabberd2',) + (() if where.startswith('sqlite:') else ('jabberd2-config',)):
                result = subprocess.run([BINARY, 'import', verb, where] +
                                        (['--config', deployment.config] if verb == 'jabberd2' else []),
                                        capture_output=True, text=True, timeout=60)
                assert result.returncode == 1 and re.search(pattern, result.stderr), (where, result)
                assert len(result.stderr.splitlines()) == 1 and not result.stdout, result


# -- the other parts of it


def _converted(deployment, folder):
    result = subprocess.run([BINARY, 'import', 'jabberd2-config', folder], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result
    with open(f'{deployment.dir}/converted.toml', 'w', encoding='utf-8') as file:
        file.write(result.stdout.replace('/var/lib/jackdaw', f'{deployment.dir}/data')
                   .replace('/etc/jackdaw/certs', f'{deployment.dir}/certs'))
    subprocess.run([BINARY, 'check', 'config', '--config', f'{deployment.dir}/converted.toml'], check=True, timeout=60,
                   stdout=subprocess.DEVNULL)
    return result.stdout


def the_files_of_a_running_jabberd2_serve_ours_when_converted():
    """Same ports, same domain, same users: jabberd2 goes, ours comes."""
    with Deployment() as deployment:
        jabberd2 = Jabberd2(deployment.dir, deployment.router_port, ('router', 'sm', 'c2s', 's2s'))
        with jabberd2:
            rosters = fill(jabberd2)
        text = _converted(deployment, jabberd2.dir)
        for wanted in (f'client = ["127.0.0.1:{jabberd2.port}"]', f'router = ["127.0.0.1:{deployment.router_port}"]',
                       'domains = ["localhost"]', 'registration = "open"', '# s2s.xml: local/port has no counterpart',
                       '# sm.xml: user/auto-create has no counterpart', '# secret = "unused"'):
            assert wanted in text, (wanted, text)
        deployment.config, deployment.port = f'{deployment.dir}/converted.toml', jabberd2.port
        assert counts(deployment, jabberd2.dir)['added'] == 4
        deployment.start()
        alice = log_in(deployment, 'alice')
        assert roster(alice) == rosters['alice']


def debians_own_files_convert():
    with Deployment() as deployment:
        text = _converted(deployment, '/etc/jabberd2')
        assert '# router.xml: check/interval has no counterpart' in text and 'no key of jabberd2' not in text, text


def a_move_part_by_part_keeps_streams_and_leads_back():
    """The manual's: the router while people are on; then c2s and sm with the data; and back again."""
    with Deployment() as deployment:
        with Jabberd2(deployment.dir, deployment.router_port, ('router', 'sm', 'c2s', 's2s')) as jabberd2:
            rosters = fill(jabberd2)
            _converted(deployment, jabberd2.dir)
            deployment.config = f'{deployment.dir}/converted.toml'
            alice, bob = log_in(jabberd2, 'alice'), log_in(jabberd2, 'bob')
            jabberd2.stop('router', kill=True)
            deployment.start('router')
            deployment.processes['router'].wait_for('(?s)(logged in.*){3}', 60)
            assert outlives(alice) and outlives(bob)
            alice.message(bob.jid, 'through yours')
            bob.want('message', text='through yours')
            for part in ('c2s', 'sm'):
                jabberd2.stop(part)
            wanted = counts(deployment, jabberd2.dir, '--dry-run')
            assert counts(deployment, jabberd2.dir) == wanted and wanted['added'] == 4, wanted
            deployment.port = jabberd2.port
            deployment.start('sm', ready=False)
            deployment.start('c2s')
            alice, bob = log_in(deployment, 'alice'), log_in(deployment, 'bob')
            assert roster(alice) == rosters['alice'] and roster(bob) == rosters['bob']
            alice.message(bob.jid, 'all ours')
            bob.want('message', text='all ours')
            for part in ('c2s', 'sm', 'router'):
                assert deployment.processes.pop(part).stop() == 0
            jabberd2.start('router', 'sm', 'c2s')
            alice = log_in(jabberd2, 'alice')
            assert roster(alice) == rosters['alice']


def an_import_that_is_killed_leaves_whole_users():
    with Deployment() as deployment:
        path = _database(f'{deployment.dir}/other').dir + '/sm.db'
        _many(path)
        command = [BINARY, 'import', 'jabberd2', f'sqlite:{path}', '--config', deployment.config]
        log = f'{deployment.dir}/data/jackdaw.db-wal'
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.time() + 200
        while not os.path.exists(log) or os.path.getsize(log) < 500000:
            assert time.time() < end and process.poll() is None, 'it does not get far'
            time.sleep(0.1)
        process.kill()
        process.wait()
        with sqlite3.connect(f'{deployment.dir}/data/jackdaw.db') as database:
            rows = database.execute('SELECT owner, sum(store = 0), sum(store = 1), sum(store = 2) FROM keyed '
                                    'WHERE store < 3 GROUP BY owner').fetchall()
        assert 0 < len(rows) < USERS, len(rows)
        assert all(row[1:] == (4, 10, 1) for row in rows), rows[:5]


def keys_come_in_by_a_pipe_and_on_a_running_server():
    key = 'SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE='
    lines = ''.join(f'user{number}@localhost\t{key}\n' for number in range(20000))
    with Deployment() as deployment:
        assert '20000 added' in deployment.command('user', 'import', '-', input=lines).stdout
        deployment.start()
        more = lines.replace('user', 'other')
        assert '20000 added, 0 existed' in deployment.command('user', 'import', '-', input=more).stdout
        result = deployment.command('user', 'import', '-', input=lines).stdout
        assert result == '0 added, 20000 existed already, 0 wrong: nothing was changed\n', result
        client = Raw(deployment.port).login('other7', 'pencil')
        client.close()


if __name__ == '__main__':
    scenarios(people_find_what_they_left_at_jabberd2, thousands_of_users_come_in_within_minutes,
              rows_that_cannot_be_taken_are_counted_and_named, bad_sources_are_said_in_one_line,
              the_files_of_a_running_jabberd2_serve_ours_when_converted, debians_own_files_convert, a_move_part_by_part_keeps_streams_and_leads_back,
              an_import_that_is_killed_leaves_whole_users, keys_come_in_by_a_pipe_and_on_a_running_server)
