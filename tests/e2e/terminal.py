"""A program that is used in a terminal."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time


class Terminal:
    """What the program shows is kept; transcript: a file in which it goes on, if it is ever made."""

    def __init__(self, command, environment, transcript=None):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 50, 160, 0, 0))
        self.shown, self.transcript, self.ours = b'', transcript, ours
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
                                        start_new_session=True)
        os.close(theirs)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        try:
            while data := os.read(self.ours, 65536):
                self.shown += data
        except OSError:
            pass  # the program has closed its side

    def type(self, text):
        os.write(self.ours, text.encode())

    def text(self):
        text = self.shown.decode(errors='replace')
        if self.transcript and os.path.exists(self.transcript):
            with open(self.transcript, encoding='utf-8') as file:
                text += file.read()
        return text

    def wait_for(self, pattern, seconds=60):
        end = time.time() + seconds
        while not re.search(pattern, self.text()):
            assert time.time() < end, f'{self.process.args} did not show {pattern!r}'
            time.sleep(0.02)

    def end(self):
        """It is told to go, if it has not yet, and made to."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(5)
        os.close(self.ours)
