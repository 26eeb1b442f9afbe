"""Files: fitted estimators as .npz archives that hold arrays and JSON, and no pickle."""

import json
import math
import os
import secrets
import zipfile
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["load", "read_archive", "write_archive"]

_FORMAT = 1
_HEADER = "header"
_KINDS = "biufU"
_LOADERS = {"DBSCAN": "diptych.estimators._dbscan_file"}


def load(path: str | os.PathLike[str]) -> Any:
    """Return the estimator that was saved to a file.

    Nothing in the file is executed, and no array is allocated before its size has been compared with the size
    of the file, so that a damaged or hostile file ends in a ValueError.

    Parameters
    ----------
    path : str or path-like
        File written by the ``save`` method of an estimator.

    Returns
    -------
    estimator
        A fitted estimator of the class that was saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file was not written by this package, is damaged, or comes from a later format.

    Examples
    --------
    >>> import diptych, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "model.npz")
    >>> diptych.DBSCAN(eps=3, min_samples=2, backend="reference").fit([[1, 2], [2, 2], [9, 9]]).save(path)
    >>> diptych.load(path).labels_
    array([ 0,  0, -1])
    """
    header, arrays = read_archive(path)
    name = header.get("class")
    if name not in _LOADERS:
        raise ValueError(
            f"{os.fspath(path)!r} holds a {name!r}: this version of diptych cannot load it; upgrade it."
        )
    try:
        return import_module(_LOADERS[name]).from_archive(header, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{os.fspath(path)!r} does not fit together: {error}") from error


def write_archive(
    path: str | os.PathLike[str], header: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> None:
    """Write arrays and a JSON header, all or nothing: a temporary file takes the place of the old one."""
    target = Path(path)
    text = json.dumps({"format": _FORMAT, **header})
    content = {_HEADER: np.frombuffer(text.encode(), dtype=np.uint8), **arrays}
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            np.savez(file, allow_pickle=False, **content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def read_archive(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays of a file written by :func:`write_archive`."""
    name = os.fspath(path)
    if Path(path).exists() and not Path(path).is_file():
        raise ValueError(f"{name!r} is not a regular file.")
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                arrays = _read_members(archive, os.fstat(file.fileno()).st_size)
            header = _parsed_header(arrays.pop(_HEADER, None))
        except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
            raise ValueError(f"{name!r} is not a file saved by diptych, or is damaged: {error}") from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ValueError(
            f"{name!r} has another format than {_FORMAT}, the one this version of diptych reads."
        )
    return header, arrays


def _parsed_header(header: NDArray[Any] | None) -> Any:
    if header is None:
        raise ValueError("it has no header")
    try:
        return json.loads(header.tobytes().decode())
    except ValueError:  # what the parser stumbled over means nothing to who passed another program's file
        raise ValueError("its header is not JSON") from None


def _read_members(archive: zipfile.ZipFile, size: int) -> dict[str, NDArray[Any]]:
    members = archive.infolist()
    if sum(member.file_size for member in members) > size:
        raise ValueError("the archive claims to hold more than it can")
    arrays: dict[str, NDArray[Any]] = {}
    for member in members:
        name, suffix = os.path.splitext(member.filename)
        if suffix != ".npy" or name in arrays or member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"unexpected member {member.filename!r}")
        with archive.open(member) as file:
            _check_header(file, member)
        with archive.open(member) as file:
            arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def _check_header(file: IO[bytes], member: zipfile.ZipInfo) -> None:
    """Compare what the header of an array claims with the bytes that are there."""
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"{member.filename!r} has version {version} of the npy format")
    shape, _, dtype = readers[version](file)
    if dtype.kind not in _KINDS:
        raise ValueError(f"{member.filename!r} has dtype {dtype}")
    if (
        any(length < 0 for length in shape)
        or math.prod(shape) * dtype.itemsize != member.file_size - file.tell()
    ):
        raise ValueError(f"{member.filename!r} has shape {shape}, which is not what it holds")
