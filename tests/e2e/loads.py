"""Programs in C that make load, and what processes cost."""
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.path.join(HERE, '..', 'lib')
TICK = os.sysconf('SC_CLK_TCK')


def build(folder, name, *others, source=HERE):
    """Optimised, whatever the server is: it must not be what limits. The path."""
    path = os.path.join(folder, name)
    sources = [os.path.join(source, f'{one}.c') for one in (name, *others)]
    sources += [os.path.join(LIBRARY, f'{one}.c') for one in ('stream', 'stream_scram', 'stream_tls')]
    subprocess.run(['cc', '-O2', '-D_GNU_SOURCE', '-I', LIBRARY, '-o', path, *sources, '-lssl', '-lcrypto', '-lexpat'], check=True)
    return path


def cpu(pids):
    """User plus system seconds."""
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
            fields = stat.read().rsplit(')', 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def _kilobytes(pids, file, name):
    total = 0
    for pid in pids:
        with open(f'/proc/{pid}/{file}', encoding='ascii') as lines:
            total += sum(int(line.split()[1]) for line in lines if line.startswith(name + ':'))
    return total * 1024


def pss(pids):
    """Bytes of memory, what is shared counted in parts."""
    return _kilobytes(pids, 'smaps_rollup', 'Pss')


def rss(pids):
    return _kilobytes(pids, 'status', 'VmRSS')
