"""Sphinx settings. Build with ``make docs``; warnings are errors."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # bench_tables, and the package benches it reads

import bench_tables  # noqa: E402

from diptych import __version__  # noqa: E402

project = "diptych"
author = "The diptych maintainers"
project_copyright = "2026, the diptych maintainers"
release = __version__
version = ".".join(release.split(".")[:2])

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = [
    "_build",
    "examples",
    "gallery/*.ipynb",
    "gallery/*.py",
    "gallery/*.json",
    "gallery/*.md5",
]
default_role = "code"

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's Parameters say it, with shapes
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = f"diptych {release}"
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"]}
html_sidebars = {"index": [], "contract": [], "benches": []}

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "download_all_examples": False,
    "show_memory": False,
    "capture_repr": (),
    "write_computation_times": False,
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
}

bench_tables.write_rst(HERE / "_build" / "bench_tables.inc")
