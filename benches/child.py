"""A peer in a process of its own, with a Python of its own where it needs one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]


class PeerMissing(RuntimeError):  # noqa: N818 (a reason to leave a peer out, not a failure)
    """A peer is not on this machine."""


class Child:
    """A process that answers each line of JSON with a line of JSON, and is stopped between its turns.

    Stopped, because threads that wait for work may poll for it, which would slow whoever runs next. What it
    needs from the environment besides ours is ``environment``.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._name = command[0]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | dict(environment),
        )

    def ask(self, job: Any) -> Any:
        """Wake it, and return its answer."""
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._name} died with exit code {self._process.wait()}")
        self._process.send_signal(signal.SIGSTOP)
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def start(
    module: str, arguments: Sequence[str], variable: str, how: str, environment: Mapping[str, str]
) -> tuple[Child, str]:
    """Run a program of the benches with the Python that a variable names; return it and its version.

    PeerMissing, where the variable is not set or the program does not start; ``how`` is the file that says
    how the environment is made.
    """
    python = os.environ.get(variable)
    if not python:
        raise PeerMissing(f"{variable} is not set ({how} says how)")
    here = {"PYTHONPATH": os.fspath(_ROOT)}  # and nothing of ours: its packages are other ones
    try:
        child = Child([python, "-m", module, *arguments], here | dict(environment))
        return child, child.ask("version")
    except (OSError, RuntimeError) as error:
        raise PeerMissing(f"{variable}: {error}") from error
