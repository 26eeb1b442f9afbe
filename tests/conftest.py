"""What all tests share: the two panels, fresh interpreters, local data, hypothesis profiles."""

import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
# Test modules share helpers (textbook implementations, oracles) that pytest's importlib mode does not find.
sys.path += [str(HERE), str(HERE / "kernels"), str(HERE / "nn")]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell's background job; tests press Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    max_examples=60,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("long", parent=settings.get_profile("ci"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def load_panel(name):
    """Return one panel with an attribute per stem, and `rng`."""
    if name == "reference":
        home, words = "diptych.reference", import_module("diptych.reference.rng").splitmix64
    else:
        home, words = "diptych.kernels", import_module("diptych._rust").splitmix64
    families = ("attention", "clustering", "metapath", "recurrent", "skipgram", "walks")
    stems = {stem: import_module(f"{home}.{stem}") for stem in families}
    return SimpleNamespace(name=name, rng=SimpleNamespace(splitmix64=words), **stems)


@pytest.fixture(params=["reference", "rust"], scope="session")
def panel(request):
    """Each panel in turn."""
    return load_panel(request.param)


@pytest.fixture(scope="session")
def both_panels():
    """The two panels, to compare them."""
    return load_panel("reference"), load_panel("rust")


@pytest.fixture(scope="session")
def data_dir():
    """Return the folder of local data sets, which this project may not ship."""
    folder = os.environ.get("DIPTYCH_DATA")
    if not folder:
        pytest.skip(
            "DIPTYCH_DATA is not set: it names a folder of data sets that are not part of the project"
        )
    return Path(folder)


@pytest.fixture(scope="session")
def run_python():
    """Return a function that runs code in a fresh interpreter and returns what it prints.

    `block` names modules that cannot be imported there.
    """

    def run(code, *, block=(), **environment):
        blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in block)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", f"import sys\n{blocked}{code}"],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
