"""Files: fitted estimators as .npz archives, without pickle; weights as safetensors; word2vec's text."""

import json
import math
import os
import re
import secrets
import tokenize
import zipfile
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych import _validate

__all__ = [
    "load",
    "read_archive",
    "read_safetensors",
    "read_word2vec",
    "write_archive",
    "write_safetensors",
    "write_word2vec",
]

_FORMAT = 1
_HEADER = "header"
_KINDS = "biufU"
# What a header of the wrong form ends in, where no check was made for just this form.
_MISFITS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_LOADERS = {
    "CharacterModel": "diptych.estimators._character_file",
    "DBSCAN": "diptych.estimators._dbscan_file",
    "DeepWalk": "diptych.estimators._embedding_file",
    "Node2Vec": "diptych.estimators._embedding_file",
    "PathSim": "diptych.estimators._pathsim_file",
    "SlotTagger": "diptych.estimators._slot_tagger_file",
}


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
    if not isinstance(name, str) or name not in _LOADERS:
        raise ValueError(
            f"{os.fspath(path)!r} holds a {name!r}: this version of diptych cannot load it; upgrade it."
        )
    try:
        return import_module(_LOADERS[name]).from_archive(header, arrays)
    except _MISFITS as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{os.fspath(path)!r} does not fit together: {said}") from error


def write_archive(
    path: str | os.PathLike[str], header: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> None:
    """Write arrays and a JSON header, all or nothing: a temporary file takes the place of the old one."""
    text = json.dumps({"format": _FORMAT, **header})
    content = {_HEADER: np.frombuffer(text.encode(), dtype=np.uint8), **arrays}
    with whole_file(path) as file:
        np.savez(file, allow_pickle=False, **content)


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
            text = Path(path).suffix.lower() in (".txt", ".vec")
            hint = "; diptych.io.read_word2vec reads vectors in a text" if text else ""
            raise ValueError(
                f"{name!r} is not a file saved by diptych, or is damaged: {error}{hint}"
            ) from error
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
    except (RecursionError, ValueError):  # what the parser stumbled over tells a user nothing
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
    try:
        shape, _, dtype = readers[version](file)
    except (*_MISFITS, MemoryError, SyntaxError, tokenize.TokenError) as error:  # of a parser of Python
        raise ValueError(f"{member.filename!r} has no header of the npy format: {error}") from error
    if dtype.kind not in _KINDS:
        raise ValueError(f"{member.filename!r} has dtype {dtype}")
    if (
        any(length < 0 for length in shape)
        or math.prod(shape) * dtype.itemsize != member.file_size - file.tell()
    ):
        raise ValueError(f"{member.filename!r} has shape {shape}, which is not what it holds")


# Weights


def write_safetensors(path: str | os.PathLike[str], arrays: Mapping[str, ArrayLike]) -> None:
    """Write arrays by name in the safetensors format, as ``state_dict`` of a network returns them.

    Parameters
    ----------
    path : str or path-like
        The file; an older one is replaced when all is written.
    arrays : mapping of str to array-like
        Numbers of any shape; PyTorch reads the file with ``safetensors.torch.load_file``.

    Raises
    ------
    ImportError
        If the package safetensors, of the extra ``nn``, is not installed.
    TypeError
        If an array has a dtype the format has not.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from diptych import io, nn
    >>> path = pathlib.Path(tempfile.mkdtemp(), "layer.safetensors")
    >>> io.write_safetensors(path, nn.Linear(2, 1, rng=0).state_dict())
    >>> {name: array.shape for name, array in io.read_safetensors(path).items()}
    {'bias': (1,), 'weight': (1, 2)}
    """
    content: dict[str, NDArray[Any]] = {}
    for name, values in arrays.items():
        array = np.asarray(values)
        if str(array.dtype.newbyteorder("=")) not in _SAFETENSORS.values():
            raise _validate.DtypeError(
                f"arrays[{name!r}] has dtype {array.dtype}, which safetensors has not."
            )
        # The format knows neither strides nor other byte orders, and its writer does not look at them.
        content[str(name)] = np.require(array, array.dtype.newbyteorder("="), ["C", "A"])
    data = _safetensors("safetensors.numpy").save(content)
    with whole_file(path) as file:
        file.write(data)


def read_safetensors(file: str | os.PathLike[str] | bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file in the safetensors format, by name.

    Parameters
    ----------
    file : str, path-like or bytes
        The file, or what it holds.

    Returns
    -------
    dict of str to ndarray
        In alphabetical order. bfloat16, which NumPy has not, becomes float32, which holds it exactly.

    Raises
    ------
    ImportError
        If the package safetensors, of the extra ``nn``, is not installed.
    ValueError
        If the file is not in this format, or holds a dtype that NumPy has not.
    OSError
        If it cannot be opened.
    """
    package = _safetensors("safetensors")
    data = bytes(file) if isinstance(file, bytes | bytearray | memoryview) else Path(file).read_bytes()
    where = "the bytes given" if isinstance(file, bytes | bytearray | memoryview) else repr(os.fspath(file))
    try:
        entries = package.deserialize(data)
    except package.SafetensorError as error:
        hint = "; a file of torch.save is a pickle, write it with safetensors.torch.save_file" if (
            data[:2] in (b"PK", b"\x80\x02")
        ) else ""  # fmt: skip
        raise ValueError(f"{where}: not in the safetensors format, or damaged: {error}{hint}.") from error
    return {
        name: _safetensors_array(name, entry, where) for name, entry in sorted(entries, key=itemgetter(0))
    }


_SAFETENSORS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def _safetensors_array(name: str, entry: Mapping[str, Any], where: str) -> NDArray[Any]:
    kind, shape = entry["dtype"], tuple(entry["shape"])
    if 0 in shape and math.prod(filter(None, shape)) > np.iinfo(np.intp).max // 8:  # which NumPy refuses
        raise ValueError(f"{where}: {name} has shape {shape}, beyond all arrays.")
    if kind == "BF16":  # the upper half of a float32
        upper = np.frombuffer(entry["data"], "<u2").astype("<u4")
        return (upper << np.uint32(16)).view("<f4").astype(np.float32).reshape(shape)
    if kind not in _SAFETENSORS:
        raise ValueError(f"{where}: {name} has dtype {kind}, which NumPy has not.")
    stored = np.dtype(_SAFETENSORS[kind])
    return np.frombuffer(entry["data"], stored.newbyteorder("<")).astype(stored).reshape(shape)


def _safetensors(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise ImportError("this format needs safetensors: pip install 'diptych[nn]'") from None


# Names, and vectors by name


_WHOLE_NUMBER = re.compile(r"-?[1-9][0-9]{0,17}|0")


def is_whole_number(text: str) -> bool:
    """Tell whether text is an integer as Python writes it; 007 and 1.0 are not."""
    return _WHOLE_NUMBER.fullmatch(text) is not None


def names_in_text(names: Iterable[str]) -> NDArray[Any]:
    """Return names that were read from a text: integers, int64, if all of them are, else strings, objects."""
    listed = list(names)
    if all(map(is_whole_number, listed)):
        return np.array([int(name) for name in listed], dtype=np.int64)
    return np.array(listed, dtype=object)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name when all of it is written, in place of an older one."""
    target = Path(path)
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_word2vec(path: str | os.PathLike[str], names: Iterable[Any], vectors: ArrayLike) -> None:
    """Write vectors in the text format of word2vec: a line "n d", then a line "name x_1 … x_d" for each.

    Parameters
    ----------
    path : str or path-like
        The file; an older one is replaced when all is written.
    names : iterable of n hashables
        ``str(name)`` is written.
    vectors : array-like of shape (n, d), float32 or float64
        Written with the fewest digits that give the same float32 (float64) when read.

    Raises
    ------
    ValueError
        If a name is empty or holds white space, which separates the columns of this format; if two names are
        written alike; if a vector is not finite; if there are not as many names as vectors.
    """
    listed = word2vec_names(names)
    rows = _validate.points(vectors, "vectors", may_be_empty=True)
    if len(listed) != len(rows):
        raise ValueError(f"there are {len(listed)} names and {len(rows)} vectors.")
    with whole_file(path) as file:
        file.write(f"{rows.shape[0]} {rows.shape[1]}\n".encode())
        for name, row in zip(listed, rows, strict=True):
            file.write(f"{name} {' '.join(row.astype(str))}\n".encode())


def word2vec_names(names: Iterable[Any]) -> list[str]:
    """Return names as :func:`write_word2vec` writes them; ValueError if it cannot."""
    listed = [str(name) for name in names]
    for number, name in enumerate(listed):
        if len(name.split()) != 1 or name != name.strip():
            raise ValueError(
                f"names[{number}]={name!r}: the word2vec format separates by white space, so a name must not "
                "be empty nor hold any; put an underscore in its place, for example, or save to a file in "
                ".npz, which takes any name."
            )
    _check_different(listed, "names")
    return listed


def read_word2vec(path: str | os.PathLike[str]) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Read vectors in the text format of word2vec, as :func:`write_word2vec`, gensim and fastText write it.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    names : ndarray of shape (n,)
        int64 if all names are whole numbers, else strings, as objects.
    vectors : ndarray of shape (n, d), float32
        A vector for each name.

    Raises
    ------
    ValueError
        If the file is not in this format; the message names the line.
    OSError
        If it cannot be opened.
    """
    where = repr(os.fspath(path))
    names: list[str] = []
    try:
        with open(path, encoding="utf-8") as file:
            header = file.readline().split()
            if len(header) != 2 or not all(map(is_whole_number, header)) or "-" in header[0] + header[1]:
                raise ValueError(f"{where}: the first line is not 'number-of-vectors dimensions'.")
            n, d = map(int, header)
            values = array("f")
            for number, line in enumerate(file, start=2):
                name, *cells = line.rstrip("\r\n ").split(" ")
                if len(cells) != d or not name:
                    raise ValueError(f"{where}, line {number}: {len(cells)} values after the name, not {d}.")
                names.append(name)
                try:
                    values.extend(map(float, cells))
                except ValueError as error:
                    raise ValueError(f"{where}, line {number}: {error}.") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} is not UTF-8 text (byte {error.start}).") from None
    if len(names) != n:
        raise ValueError(f"{where} announces {n} vectors and holds {len(names)}.")
    _check_different(names, where)
    vectors = np.array(values, dtype=np.float32).reshape(n, d)
    if not np.isfinite(vectors).all():
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0]
        raise ValueError(f"{where}, line {bad + 2}: every value must be finite, as float32.")
    return names_in_text(names), vectors


def _check_different(names: list[str], where: str) -> None:
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if first.setdefault(name, number) != number:
            raise ValueError(f"{where}: the vectors {first[name]} and {number} are both named {name!r}.")
