"""What is measured of a server: each work returns its figures by name. CPU is user plus system time of all the server's processes."""
import json
import os
import subprocess
import time

from loads import cpu, pss

SESSIONS = 500
FRIENDS = 300  # in storms, and whose presence changes
LOGGING_IN = 100  # who log in again and again: each has made his keys before it is measured
RECEIVERS = 200  # behind mailbox.c's fifty senders
RATE = 1000  # messages a second of the open loop
SILENCE = 3  # seconds: what is let go of a second after the last word is gone


class Load:
    """A program of this folder at work on a server."""

    def __init__(self, tools, program, server, **options):
        words = [word for name, value in options.items() for word in ('--' + name.replace('_', '-'), str(value))]
        self.server = server
        self.process = subprocess.Popen([os.path.join(tools, program), '--port', str(server.port), *words],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self):
        """What it says of the part that begins now, with the seconds of CPU that the server spent in it."""
        self._await('measure')
        before = cpu(self.server.pids)
        line = self.process.stdout.readline()
        spent = cpu(self.server.pids) - before
        assert line, self.process.wait()
        result = {'lost': 0, **json.loads(line), 'cpu': spent}
        assert result['lost'] == 0 and result.get('messages', 1) > 0, (self.server.name, result)
        return result

    def _await(self, word):
        line = self.process.stdout.readline()
        assert line == word + '\n', (self.server.name, line, self.process.wait())

    def idle(self):
        self._await('idle')

    def end(self):
        self.process.communicate('\n')
        assert self.process.returncode == 0, (self.server.name, self.process.returncode)


def _us(result, what):
    return 1e6 * result['cpu'] / result[what]


def chat(tools, server, seconds, tls='no'):
    """Pairs, one message in flight each."""
    load = Load(tools, 'load', server, mode='chat', count=SESSIONS, seconds=seconds, tls=tls)
    result = load.measure()
    load.end()
    name = 'chat' if tls == 'no' else 'chat_tls'
    return {name: _us(result, 'messages'), name + '_rate': result['messages'] / result['seconds']}


def chat_tls(tools, server, seconds):
    return chat(tools, server, seconds, tls='starttls')


def kept_chat(tools, server, seconds):
    """Each message is archived, and synced before it is sent on."""
    result = chat(tools, server, seconds)
    return {'archive': result['chat'], 'archive_rate': result['chat_rate']}


def open_loop(tools, server, seconds):
    load = Load(tools, 'load', server, mode='open', count=SESSIONS, seconds=seconds, rate=RATE)
    result = load.measure()
    load.end()
    return {'open': _us(result, 'messages'), 'open_p50': result['p50_us'], 'open_p99': result['p99_us']}


def _login(tools, server, seconds, figure, **options):
    load = Load(tools, 'load', server, mode='login', count=LOGGING_IN, seconds=seconds, **options)
    result = load.measure()
    load.end()
    assert server.name != 'jackdaw' or not result['failed'], result
    return {figure: _us(result, 'logins'), figure + '_rate': result['logins'] / result['seconds']}


def login_plain(tools, server, seconds):
    return _login(tools, server, seconds, 'login_plain', mechanism='PLAIN')


def login_scram(tools, server, seconds):
    return _login(tools, server, seconds, 'login_scram', mechanism='SCRAM-SHA-1')


def login_tls(tools, server, seconds):
    """Full handshakes."""
    return _login(tools, server, seconds, 'login_tls', mechanism='SCRAM-SHA-1', tls='starttls')


def login_tls_alone(tools, server, seconds):
    """The same, one after the other: nobody waits for anybody else."""
    return _login(tools, server, seconds, 'login_tls_alone', mechanism='SCRAM-SHA-1', tls='starttls', at_once=1)


def storm(tools, server, seconds):
    """Of FRIENDS who log in at once, with 20 mutual contacts each."""
    load = Load(tools, 'friends', server, mode='storm', count=FRIENDS, seconds=seconds, mechanism='SCRAM-SHA-1')
    result = load.measure()
    load.end()
    return {'storm': _us(result, 'logins'), 'storm_rate': result['logins'] / result['seconds']}


def presence(tools, server, seconds):
    """A change of presence that 20 contacts hear."""
    load = Load(tools, 'friends', server, mode='presence', count=FRIENDS, seconds=seconds)
    result = load.measure()
    load.end()
    return {'presence': _us(result, 'deliveries'), 'presence_rate': result['deliveries'] / result['seconds']}


def offline(tools, server, seconds):
    """Fifty messages to each of RECEIVERS, and their coming back."""
    load = Load(tools, 'mailbox', server, count=RECEIVERS)
    stored, drained = load.measure(), load.measure()
    load.end()
    return {'store': _us(stored, 'messages'), 'drain': _us(drained, 'messages')}


def befriend(tools, server):
    load = Load(tools, 'friends', server, mode='befriend', count=FRIENDS)
    load.end()


def told(server):
    """How much of its memory `jackdaw memory` accounts for, in percent."""
    said = json.loads(server.deployment.command('memory', '--json').stdout)
    return 100 * said['all of these'] / said['resident (PSS)']


def memory(tools, server, count):
    """Before the first session, and of each, plain and under TLS, beyond that."""
    figures = {'empty': pss(server.pids)}
    warm = Load(tools, 'load', server, mode='idle', count=2, tls='starttls')  # what is made once is there
    warm.idle()
    warm.end()
    for figure, tls in (('idle', 'no'), ('idle_tls', 'starttls')):
        time.sleep(SILENCE)
        before = pss(server.pids)
        load = Load(tools, 'load', server, mode='idle', count=count, tls=tls)
        load.idle()
        time.sleep(SILENCE)
        figures[figure] = (pss(server.pids) - before) / count
        if server.name == 'jackdaw':
            figures[figure + '_told'] = told(server)
        load.end()
    return figures


WORKS = {'chat': chat, 'chat_tls': chat_tls, 'open': open_loop, 'login_plain': login_plain, 'login_scram': login_scram,
         'login_tls': login_tls, 'login_tls_alone': login_tls_alone, 'storm': storm, 'presence': presence, 'offline': offline}
OF_FRIENDS = {'storm', 'presence'}
KEPT = {'archive': kept_chat}  # by servers that archive
