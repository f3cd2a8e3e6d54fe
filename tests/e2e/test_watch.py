#!/usr/bin/python3
"""What an administrator sees of who is on, live."""
import json
import os
import re
import select
import signal
import subprocess
import time

from harness import BINARY, Deployment, Raw, body, scenarios, with_people
from stream_management import Counting

PEOPLE = ('romeo', 'juliet', 'nurse')


class Watch:
    """A command that runs until it, or the server, ends; its lines as they come."""

    def __init__(self, deployment, *words):
        self.process = subprocess.Popen([BINARY, 'watch', *words, '--config', deployment.config], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.text = b''

    def until(self, pattern, seconds=15):
        end = time.time() + seconds
        while not re.search(pattern, self.text.decode()):
            assert time.time() < end, (pattern, self.text.decode())
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                got = os.read(self.process.stdout.fileno(), 65536)
                assert got, (pattern, self.text.decode(), self.process.stderr.read())
                self.text += got
        return self.text.decode()

    def begin(self, port):
        """It has begun when it sees somebody come; who watches one person sees it of a session of that one."""
        end = time.time() + 15
        while time.time() < end:
            Raw(port).login(*self.probe, presence=False).close()
            if select.select([self.process.stdout], [], [], 0.2)[0]:
                return self
        raise AssertionError('it shows nothing')

    def ends(self, seconds=10):
        out, err = self.process.communicate(timeout=seconds)
        self.text += out
        return self.process.returncode, err.decode()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=10)
        assert self.process.returncode == -signal.SIGINT, self.process.returncode


def _watch(deployment, *words, probe='nurse'):
    watch = Watch(deployment, *words)
    watch.probe = (probe, 'secret', 'probe')
    return watch.begin(deployment.port)


def sessions_come_and_go(deployment):
    watch = _watch(deployment)
    client = Counting(deployment.port, 'romeo', resource='phone').begin()
    watch.until(r'Z started  romeo@localhost/phone\n')
    client.drop()
    watch.until(r'Z detached romeo@localhost/phone\n')
    client.come_back(deployment.port)
    watch.until(r'Z resumed  romeo@localhost/phone\n')
    deployment.command('user', 'kick', 'romeo@localhost')
    text = watch.until(r'Z ended    romeo@localhost/phone\n')
    assert ' in ' not in text and '<' not in text, text
    watch.stop()


def stanzas_are_shown_without_what_they_say(deployment):
    watch = _watch(deployment, '--stanzas')
    romeo, juliet = (Raw(deployment.port).login(name, 'secret', 'a') for name in ('romeo', 'juliet'))
    romeo.send("<message to='juliet@localhost/a' type='chat' id='m1'><body>wherefore &lt;art&gt; thou</body></message>")
    assert body(juliet.expect('message')) == 'wherefore <art> thou'
    romeo.send("<presence><show>dnd</show><status>in the orchard</status></presence>")
    romeo.send("<iq type='set' id='p' to='nobody@localhost'><query xmlns='jabber:iq:register'><password>of nobody</password>"
               "</query></iq>")
    romeo.expect('iq', id='p')
    watch.until(r"in       romeo@localhost/a <message .*id='m1'.*<body>\(\d+ bytes\)</body>")
    watch.until(r"out      juliet@localhost/a <message .*id='m1'.*<body>\(\d+ bytes\)</body>")
    watch.until(r"<show>dnd</show><status>\(14 bytes\)</status>")
    text = watch.until(r'<password>\(9 bytes\)</password>')
    for secret in ('wherefore', 'orchard', 'of nobody', 'secret', 'auth'):
        assert secret not in text, text
    watch.stop()


def one_account_or_session_is_watched_alone(deployment):
    one = _watch(deployment, '--user', 'Romeo@localhost', '--stanzas', '--json', probe='romeo')
    other = Watch(deployment, '--user', 'romeo@localhost/b', '--stanzas')
    other.probe = ('romeo', 'secret', 'b')
    other.begin(deployment.port)
    Raw(deployment.port).login('juliet', 'secret', 'a')
    for resource in ('a', 'b'):
        Raw(deployment.port).login('romeo', 'secret', resource).expect('presence')
    one.until(r'"in", "jid": "romeo@localhost/b"')
    other.until(r'in       romeo@localhost/b <presence')
    lines = [json.loads(line) for line in one.text.decode().splitlines()]
    assert {line['jid'].split('/')[0] for line in lines} == {'romeo@localhost'}, lines
    assert {line['event'] for line in lines} >= {'started', 'in', 'out'}, lines
    assert all(re.match(r'20\d\d-.*\.\d\d\dZ$', line['time']) for line in lines), lines
    assert 'romeo@localhost/a' not in other.text.decode()
    one.stop()
    other.stop()


def who_looks_too_slowly_misses_lines_and_is_told(deployment):
    """The server keeps no more for it than a megabyte, and all others go on."""
    watch = _watch(deployment, '--stanzas')
    watch.process.send_signal(signal.SIGSTOP)
    romeo = Raw(deployment.port).login('romeo', 'secret', 'a')
    attributes = 'x' * 1500
    for _ in range(8):
        for number in range(400):
            romeo.send(f"<message to='romeo@localhost/a' id='{number}{attributes}'/>")
        romeo.expect('message', id=f'399{attributes}')
        time.sleep(0.3)
    watch.process.send_signal(signal.SIGCONT)
    romeo.send("<presence><show>xa</show></presence>")
    watch.until('<show>xa</show>', 30)
    assert len(watch.text) < 8 << 20, len(watch.text)
    watch.process.send_signal(signal.SIGINT)
    assert b'lines were left out' in watch.process.communicate(timeout=10)[1]


who_looks_too_slowly_misses_lines_and_is_told.extra = '[limits]\nclient_rate = "off"\n'


def a_server_that_ends_says_so(deployment):
    watch = _watch(deployment)
    assert deployment.processes['run'].stop(seconds=8) == 0
    code, error = watch.ends()
    assert code == 1 and re.search('the server (stops|went away)', error), (code, error)


def only_so_many_watch_at_once_and_make_room(deployment):
    watches = [_watch(deployment) for _ in range(8)]
    result = deployment.command('watch', code=1)
    assert 'watch already' in result.stderr, result
    watches.pop().process.kill()
    end = time.time() + 10
    while True:
        late = Watch(deployment)
        time.sleep(0.3)
        if late.process.poll() is None:
            break
        assert time.time() < end, late.process.communicate()
    late.stop()
    for watch in watches:
        watch.stop()


def what_is_wrong_is_said_in_a_line(deployment):
    for words, code, says in ((('romeo@localhost',), 2, 'only options'), (('--user', 'nobody@elsewhere.example'), 1, 'not of a domain'),
                              (('--user', '@'), 1, 'no account'), (('--mutual',), 2, 'no such option')):
        result = deployment.command('watch', *words, code=code)
        assert says in result.stderr and len(result.stderr.splitlines()) == 1, result
    page = subprocess.run([BINARY, 'watch', '--help'], capture_output=True, text=True, timeout=20)
    assert page.returncode == 0 and '--stanzas' in page.stdout and '--user JID' in page.stdout, page


def a_server_of_parts_is_watched_at_its_session_manager():
    with Deployment() as deployment:
        deployment.start('router', 'sm', 'c2s')
        deployment.add_user('nurse', 'secret')
        watch = _watch(deployment, '--stanzas')
        Raw(deployment.port).login('nurse', 'secret', 'a').expect('presence')
        watch.until(r'in       nurse@localhost/a <presence')
        watch.stop()
        assert deployment.processes['sm'].stop() == 0
        assert 'no server that could do it' in deployment.command('watch', code=1).stderr


if __name__ == '__main__':
    scenarios(*with_people(sessions_come_and_go, stanzas_are_shown_without_what_they_say, one_account_or_session_is_watched_alone,
                           who_looks_too_slowly_misses_lines_and_is_told, a_server_that_ends_says_so,
                           only_so_many_watch_at_once_and_make_room, what_is_wrong_is_said_in_a_line, users=PEOPLE),
              a_server_of_parts_is_watched_at_its_session_manager)
