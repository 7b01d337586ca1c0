"""Ways for a process of `twins bench` to end; it imports no framework."""

import os
import signal


def die(send, receive, cell):
    os._exit(3)


def be_killed(send, receive, cell):
    os.kill(os.getpid(), signal.SIGKILL)


def want_too_much(send, receive, cell):
    raise MemoryError("no room for it")
