"""Every stem stands in every wing, panels have equal signatures, imports only go down, the door is light."""

import ast
import inspect
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "diptych"
KERNELS = ROOT / "rust" / "kernels"
BINDINGS = ROOT / "rust" / "bindings"

# The families of the plan. A stem that exists in one wing has to exist in all of them.
FAMILIES = {"clustering", "walks", "skipgram", "metapath", "recurrent", "attention"}
# The same house holds rooms that are no families.
ROOMS = {"rng"}


def stems_in(folder, pattern="*.py"):
    return {path.stem for path in folder.glob(pattern) if not path.stem.startswith("_")}


def stems():
    rust = {path.stem for path in (KERNELS / "src").iterdir()} & FAMILIES
    python = set().union(*(stems_in(PACKAGE / wing) for wing in ("kernels", "reference", "testing")))
    return sorted((python | rust) - ROOMS)


@pytest.mark.parametrize("stem", stems())
def test_a_stem_stands_in_every_wing(stem):
    assert stem in FAMILIES
    kernel = KERNELS / "src" / stem
    rooms = {
        "contract": PACKAGE / "kernels" / f"{stem}.py",
        "mathematics": PACKAGE / "reference" / f"{stem}.py",
        "kernel": kernel if kernel.is_dir() else kernel.with_suffix(".rs"),
        "binding": BINDINGS / "src" / f"{stem}.rs",
        "laws": PACKAGE / "testing" / f"{stem}.py",
        "tests": ROOT / "tests" / "kernels" / f"test_{stem}.py",
        "bench": ROOT / "benches" / f"bench_{stem}.py",
    }
    missing = [f"{wing}: {path.relative_to(ROOT)}" for wing, path in rooms.items() if not path.exists()]
    assert not missing, missing


@pytest.mark.parametrize("stem", stems())
def test_panels_have_equal_names_and_signatures(stem):
    kernels, reference = (import_module(f"diptych.{panel}.{stem}") for panel in ("kernels", "reference"))
    assert list(kernels.__all__) == list(reference.__all__)
    assert stem not in kernels.__all__
    for name in kernels.__all__:
        ours, theirs = (
            [
                (p.name, p.kind, p.default)
                for p in inspect.signature(getattr(module, name)).parameters.values()
            ]
            for module in (kernels, reference)
        )
        assert ours == theirs, name


@pytest.mark.parametrize("stem", stems())
def test_every_function_has_laws(stem):
    from diptych import testing

    module = import_module(f"diptych.kernels.{stem}")
    for name in module.__all__:
        if inspect.isfunction(getattr(module, name)):  # the others are what functions return
            assert f"{stem}.{name}" in testing.names()


@pytest.mark.parametrize("stem", stems())
def test_references_are_read_in_screens(stem):
    tree = ast.parse((PACKAGE / "reference" / f"{stem}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno + 1 <= 25, f"{node.name} is longer than 25 lines"


# Floors, lowest first. A module may import from its own room and from the floors below.
FLOORS = [
    {
        "_rust",
        "_blas",
        "_progress",
        "_threads",
        "_validate",
        "_validate_attention",
        "_validate_metapath",
        "_validate_nn",
        "_validate_recurrent",
        "_validate_skipgram",
        "_validate_tags",
        "_validate_walks",
        "_versions",
    },
    {"reference", "testing", "kernels", "io"},
    {"graph", "nn"},
    {"datasets", "evaluation"},
    {"estimators"},
    {"plot"},
    {"studies"},
    {"cli"},
    {"__main__"},
]
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}
ON_NUMPY_ALONE = {"reference", "testing"}
BELOW_SKLEARN = ON_NUMPY_ALONE | {
    "kernels",
    "nn",
    "_validate",
    "_validate_attention",
    "_validate_metapath",
    "_validate_nn",
    "_validate_recurrent",
    "_validate_skipgram",
    "_validate_tags",
    "_validate_walks",
    "_threads",
    "_progress",
}


def modules():
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def imports(path):
    """Names that a file imports, at its top or inside functions, but not for type checking alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


each_module = pytest.mark.parametrize(
    "path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix()
)


@each_module
def test_imports_only_go_down(path):
    here = room(path)
    assert here in FLOOR, f"{here} has no floor: give it one in FLOORS"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "diptych" or here == "__main__" or parts[1:2] == [here]:
            continue
        if len(parts) == 1:
            assert public_names(path) <= {"__version__"}, (
                f"{path.name} takes more than the version from the top"
            )
            continue
        there = FLOOR.get(parts[1])
        assert there is not None, f"{path.name} imports the public name {name}"
        assert there < FLOOR[here] or here.startswith("_"), f"{path.name} ({here}) imports {name}"
        assert parts[1] != "_rust" or here in {"kernels", "_versions", "cli"}, f"{path.name} imports {name}"


def public_names(path):
    """Attributes that a file takes from the package `diptych` itself."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {n.attr for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "diptych"}


@each_module
def test_what_stands_on_numpy_alone(path):
    here = room(path)
    outside = {
        name for name in imports(path) if name.split(".")[0] not in {"diptych", *sys.stdlib_module_names}
    }
    inside = {name for name in imports(path) if name.startswith("diptych.")}
    if here in ON_NUMPY_ALONE:
        assert all(name.startswith(("numpy", "scipy.sparse")) for name in outside), outside
        assert all(name.startswith(f"diptych.{here}") for name in inside), inside
    if here in BELOW_SKLEARN:
        assert not [name for name in outside if name.startswith(("sklearn", "matplotlib", "pandas"))], outside


def test_the_reference_works_without_the_extension(run_python):
    code = (
        "import numpy as np\n"
        "import diptych\n"
        "from diptych import reference, testing\n"
        "for name in testing.names():\n"
        "    stem, function = name.split('.')\n"
        "    implementation = getattr(getattr(reference, stem), function)\n"
        "    report = testing.check(implementation, name, examples=4, strict=True)\n"
        "    assert report.passed, report\n"
        "model = diptych.DBSCAN(eps=1.0, min_samples=2, backend='reference')\n"
        "print(model.fit([[0.0], [1.0], [5.0]]).labels_)\n"
    )
    assert run_python(code, block=["diptych._rust"]).split() == ["[", "0", "0", "-1]"]


def test_nothing_falls_back_to_the_reference_in_silence(run_python):
    code = "try:\n    from diptych import kernels\nexcept ImportError:\n    print('refused')\n"
    assert run_python(code, block=["diptych._rust"]).strip() == "refused"


def guarded_imports(path):
    """Import statements inside a `try`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Try):
            yield from (ast.unparse(n) for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom))


def test_the_import_of_the_extension_has_no_try():
    reports_only = {"_versions.py"}  # says what is broken in an installation, and computes nothing
    found = {path.name for path in modules() if any("_rust" in line for line in guarded_imports(path))}
    assert found <= reports_only


def test_kernels_need_numpy_alone(run_python):
    code = (
        "from diptych.kernels import clustering\n"
        "print(clustering.dbscan([[0.0], [1.0], [5.0]], 1.0, min_samples=2)[1])\n"
        "print(clustering.k_distances([[0.0], [1.0], [5.0]], 1))\n"
    )
    printed = run_python(code, block=["scipy", "scipy.sparse", "sklearn", "matplotlib", "pandas"])
    assert printed.split("\n")[:2] == ["[ 0  0 -1]", "[1. 1. 4.]"]


def test_import_is_light(run_python):
    code = (
        "import time, numpy\n"
        "started = time.perf_counter()\n"
        "import diptych\n"
        "cost = time.perf_counter() - started\n"
        "import sys\n"
        "heavy = {'scipy', 'sklearn', 'matplotlib', 'pandas', 'diptych._rust'} & set(sys.modules)\n"
        "print(cost, *heavy)\n"
    )
    runs = [run_python(code).split() for _ in range(5)]
    assert all(len(run) == 1 for run in runs), runs
    assert min(float(run[0]) for run in runs) < 0.05


def test_public_names_are_there():
    import diptych

    assert sorted(diptych.__all__) == sorted(set(diptych.__all__))
    for name in diptych.__all__:
        assert getattr(diptych, name) is not None
    assert set(diptych.__all__) <= set(dir(diptych))


def rust_files(crate):
    return sorted(path for path in crate.rglob("*") if path.suffix in {".rs", ".toml"})


def test_the_kernels_crate_has_never_heard_of_python():
    for path in rust_files(KERNELS):
        assert "pyo3" not in path.read_text(encoding="utf-8"), path


def test_no_file_is_long():
    folders = (ROOT / "python", ROOT / "rust")
    files = [path for folder in folders for kind in ("*.py", "*.pyi", "*.rs") for path in folder.rglob(kind)]
    lines = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n") for path in files
    }
    assert len(lines) > 40
    assert not {name: count for name, count in lines.items() if count > 500}


def test_one_door_lets_work_through():
    # Only bindings/run.rs may leave the interpreter.
    for path in (BINDINGS / "src").glob("*.rs"):
        if path.name != "run.rs":
            assert ".detach(" not in path.read_text(encoding="utf-8"), path
