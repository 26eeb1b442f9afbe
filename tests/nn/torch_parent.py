"""How tests ask PyTorch: cases go to an interpreter that has it, answers come back.

It may be a package of this interpreter, or of the system's Python (Debian's python3-torch), or of one that
DIPTYCH_TORCH_PYTHON names.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CHILD = Path(__file__).parent / "torch_child.py"


def outside():
    """Return the environment without our packages."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@functools.cache
def interpreter():
    """Return an interpreter that imports torch, or None."""
    named = os.environ.get("DIPTYCH_TORCH_PYTHON")
    for python in filter(None, [named, sys.executable, shutil.which("python3", path=os.defpath)]):
        tried = subprocess.run(
            [python, "-c", "import torch"], env=outside(), capture_output=True, timeout=120, check=False
        )
        if tried.returncode == 0:
            return python
    return None


def torch_answers(cases, given, folder):
    """Return a function that returns the answers of a case by its name; `given` returns its arrays."""
    python = interpreter()
    if python is None:
        pytest.skip("PyTorch is not installed, neither here nor for the system's Python (python3-torch)")
    files = [folder / name for name in ("cases.json", "inputs.npz", "answers.npz")]
    files[0].write_text(json.dumps(cases))
    np.savez(files[1], **{f"{c['name']}/{k}": x for c in cases for k, x in given(c["name"]).items()})
    done = subprocess.run(
        [python, CHILD, *files], env=outside(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    with np.load(files[2]) as found:
        answers = dict(found)
    return lambda name: {
        key.removeprefix(f"{name}/"): array for key, array in answers.items() if key.startswith(f"{name}/")
    }
