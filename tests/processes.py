"""Code run in a process of its own, with a watchdog: a hang is a failure, not a stuck test run."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import diptych

WATCHDOG = 60  # seconds; every case takes about one
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, or limits the address space")
with_signals = pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to oneself here")
with_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def alone(code, *arguments, **environment):
    """Run code in a fresh interpreter and return what it printed."""
    package = os.fspath(Path(diptych.__file__).parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=WATCHDOG,
        check=False,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


# Defines in_child: whether work, done in a forked child, was right; 0 if so.
FORKED = """
def in_child(work):
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 3)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(4)
    return os.waitpid(pid, 0)[1]
"""

# Defines growth: by how many bytes the peak of resident memory rises in a call.
GROWTH = """
import ctypes, gc
def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(key))
def growth(call):
    gc.collect()
    getattr(ctypes.CDLL(None), "malloc_trim", int)(0)  # what is free goes back, where the C library can
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak starts again from what is resident now
    except OSError:
        pass  # then the peak is that of everything before, and growth a lower bound
    before = status("VmRSS")
    kept = call()
    return status("VmHWM") - before
"""

# Defines interrupted: how many seconds a call goes on after Ctrl-C. Where others have the cores, the clock
# runs while the process stands still: then it is what its own threads computed since. So a test can hold a
# kernel to what is promised, on a busy machine too.
INTERRUPTED = """
import os, signal, threading, time
def interrupted(call, after):
    sent = []
    def press():
        sent.extend([time.monotonic(), time.process_time()])
        os.kill(os.getpid(), signal.SIGINT)
    threading.Timer(after, press).start()
    try:
        call()
    except KeyboardInterrupt:
        return min(time.monotonic() - sent[0], time.process_time() - sent[1])
    raise AssertionError("the input is too small: it was over before Ctrl-C")
"""
