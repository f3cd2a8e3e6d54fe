#!/usr/bin/python3
"""What a page of a big archive costs: ten accounts with a million messages each, asked by a client as real ones ask.

usage: archive.py --binary build/jackdaw --fill build-soak/tests/bench/archive_fill [--messages 1000000] [--users 10] [--keep DIR]
Prints medians of five: a page of fifty at the start, in the middle, at the end, by a contact of a hundred messages, and how long
another one's ping takes while a hundred queries are answered. Talks to 127.0.0.1 only.
"""
import argparse
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
ARCHIVE, RSM, FORM = 'urn:xmpp:mam:2', 'http://jabber.org/protocol/rsm', 'jabber:x:data'


def page(client, id, max=50, extra='', fields=''):
    """The rows of a page and its <fin/>."""
    form = (f"<x xmlns='{FORM}' type='submit'><field var='FORM_TYPE'><value>{ARCHIVE}</value></field>{fields}</x>") if fields else ''
    client.send(f"<iq type='set' id='{id}'><query xmlns='{ARCHIVE}'>{form}<set xmlns='{RSM}'><max>{max}</max>{extra}</set></query></iq>")
    rows = []
    while True:
        element = client.receive(60)
        if element.get('id') == id:
            assert element.get('type') == 'result', element
            return rows, element
        rows += [result.get('id') for result in element.iter(f'{{{ARCHIVE}}}result')]


def timed(client, name, **what):
    times = []
    for round in range(5):
        begin = time.perf_counter()
        rows, _ = page(client, f'{name}{round}', **what)
        times.append((time.perf_counter() - begin) * 1000)
        assert len(rows) == 50, (name, len(rows))
    print(f'{name:24} {statistics.median(times):8.2f} ms   ({min(times):.2f} to {max(times):.2f})', flush=True)


def ping(client, id):
    begin = time.perf_counter()
    client.send(f"<iq type='get' id='{id}' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    client.expect('iq', id=id)
    return (time.perf_counter() - begin) * 1000


def ping_on(client, over, said):
    pings = []
    while not over.is_set():
        pings.append(ping(client, f'p{len(pings)}'))
        time.sleep(0.001)  # or its own rate would be what delays it
    said.put(pings)


def delay_of_others(asker, other):
    """Who pings is a process of its own: here it would wait for who reads the answers, as threads of Python do."""
    quiet = max(ping(other, f'quiet{number}') for number in range(50))
    over, said, answered, end = multiprocessing.Event(), multiprocessing.Queue(), 0, time.time() + 20
    pinging = multiprocessing.Process(target=ping_on, args=(other, over, said))
    pinging.start()
    for number in range(100):
        asker.send(f"<iq type='set' id='many{number}'><query xmlns='{ARCHIVE}'><set xmlns='{RSM}'><max>50</max><before/></set></query></iq>")
    while answered < 100 and time.time() < end:
        answered += asker.receive(20).get('id', '').startswith('many')
    over.set()
    pings = said.get(timeout=20)
    pinging.join()
    print(f"{'ping meanwhile':24} {max(pings):8.2f} ms at most, {statistics.median(pings):.2f} in the middle of {len(pings)}; {quiet:.2f} at most "
          f'before; {answered} queries answered', flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--binary', required=True)
    parser.add_argument('--fill', required=True)
    parser.add_argument('--messages', type=int, default=1000000)
    parser.add_argument('--users', type=int, default=10)
    parser.add_argument('--filled', help='a data directory that was filled before')
    given = parser.parse_args()
    os.environ['JACKDAW'] = os.path.abspath(given.binary)
    from harness import Deployment, Raw
    with Deployment(extra='[messages]\narchive = "10 years"\n', workers=2) as deployment:
        data = os.path.join(deployment.dir, 'data')
        os.makedirs(data, exist_ok=True)
        if given.filled:
            os.link(os.path.join(given.filled, 'jackdaw.db'), os.path.join(data, 'jackdaw.db'))
        else:
            subprocess.run([given.fill, data, str(given.users), str(given.messages)], check=True)
        deployment.start()
        for name in ('user0', 'user1'):
            deployment.add_user(name, 'secret')
        deployment.processes['run'].stop()
        for round in range(5):
            begin = time.perf_counter()
            deployment.start()
            found = re.search(r'ready in (\d+) ms', deployment.processes['run'].text())
            print(f"start                    {found.group(1):>5} ms, seen from outside {(time.perf_counter() - begin) * 1000:.0f} ms", flush=True)
            if round < 4:
                deployment.processes['run'].stop()
        asker, other = [Raw(deployment.port).login(name, 'secret') for name in ('user0', 'user1')]
        rows, _ = page(asker, 'warm', extra='<before/>')
        ids, middle = [], rows[0]
        rows, fin = page(asker, 'first')
        first, last = int(rows[0], 16), int(page(asker, 'last', extra='<before/>')[0][-1], 16)
        middle = f'{(first + last) // 2:x}'
        stamp = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(((first + last) // 2 >> 20) / 1000))
        start = f"<field var='start'><value>{stamp}</value></field>"
        rare = "<field var='with'><value>rare@localhost</value></field>"
        timed(asker, 'first page')
        timed(asker, 'last page', extra='<before/>')
        timed(asker, 'from the middle', fields=start)
        rows, _ = page(asker, 'm', fields=start)
        timed(asker, 'behind one', extra=f'<after>{rows[-1]}</after>')
        timed(asker, 'before one', extra=f'<before>{rows[0]}</before>')
        timed(asker, 'with= 100 of a million', fields=rare)
        timed(asker, 'the last 50 of these', fields=rare, extra='<before/>')
        timed(asker, 'with= 50,000 of it', fields="<field var='with'><value>contact3@localhost</value></field>", extra='<before/>')
        begin = time.perf_counter()
        rows, fin = page(asker, 'absent', fields="<field var='with'><value>contact3@localhost/absent</value></field>")
        print(f"{'a resource not there':24} {(time.perf_counter() - begin) * 1000:8.2f} ms   ({len(rows)} found, complete: {fin[0].get('complete')})")
        delay_of_others(asker, other)
        for client in (asker, other):
            client.close()


if __name__ == '__main__':
    main()
