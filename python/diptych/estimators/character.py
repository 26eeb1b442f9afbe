"""CharacterModel: what comes next in a text, character by character."""

import os
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from diptych import _progress
from diptych._blas import one_thread
from diptych._threads import resolve_n_jobs
from diptych._validate import DtypeError, seed_key
from diptych.estimators._character_training import Net, Plan, make, train
from diptych.estimators._parameters import among, is_count, is_random_state, is_real, require, seed_of
from diptych.reference.rng import uniform, words_at

__all__ = ["CharacterModel", "CharacterStream"]

_BACKENDS = {"reference", "rust"}
_RANDOM_STATES = "an int in the range [0, inf), a RandomState, Generator or SeedSequence of NumPy, or None"
_PIECE = 4096  # characters read at a time where nothing goes back, at most
_LOGITS = 1 << 20  # of a piece, at most


class CharacterModel(BaseEstimator):  # type: ignore[misc]
    """Learn which character follows in a text, with an LSTM.

    Parameters
    ----------
    hidden_size : int, default=256
        Units of each layer.
    num_layers : int, default=1
        Layers of the LSTM.
    embedding_dim : int, default=64
        Length of the vector of a character.
    dropout : float, default=0.2
        The share of numbers dropped between layers and before the last one, in training.
    epochs : int, default=10
        How often the text is read.
    batch_size : int, default=32
        The text is cut into so many rows, which are read side by side.
    sequence_length : int, default=64
        After so many characters of each row, weights are moved. The state is carried over, gradients are
        not: truncated backpropagation through time.
    learning_rate, min_learning_rate : float, default=0.003, 0.00003
        Rates of Adam at the beginning and at the end; between, they fall along half a cosine.
    clip_norm : float, default=1.0
        Gradients are scaled down to this norm where theirs is larger.
    random_state : int, RandomState, Generator, SeedSequence or None, default=None
        Where first weights, and what is dropped, come from. A number gives the same model each time, on one
        machine: the small layers multiply matrices with NumPy, whose sums differ from machine to machine.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`.
    verbose : bool, default=False
        Whether to show a progress bar, which needs tqdm.
    backend : {"rust", "reference"}, default="rust"
        Which panel does the recurrent work.

    Attributes
    ----------
    characters_ : str
        The characters of the text, sorted.
    shares_ : ndarray of shape (n_characters,), float64
        How large a part of the text each is: what is expected where nothing was read yet.
    embedding_, lstm_, linear_ : nn.Embedding, nn.LSTM, nn.Linear
        The network.
    losses_ : ndarray of shape (epochs,), float64
        Mean loss of each epoch while it was trained, in nats per character, with dropout.

    See Also
    --------
    diptych.nn.LSTM : The network alone.

    Notes
    -----
    A seed gives the same bits for any `n_jobs`: NumPy's BLAS has one thread while a model learns or reads, in
    the whole process. Another BLAS, or another processor, may round otherwise.

    Training reads a text of n characters, k different ones, in
    O(epochs · n · hidden_size · (hidden_size + embedding_dim + k)). Memory of `fit` at the peak is that of
    the weights, six times, 20 bytes for each character of the text, and for each of the batch_size ·
    sequence_length that are read at a time 48 bytes for each unit of each layer, 13 for each number of a
    vector and 13 for each of the k characters. With the defaults and a short text of 65 characters 35 MiB
    were measured, of 3,000 characters 124 MiB. Text that is only read, as by `cross_entropy`, takes 24 bytes
    for each character, and 12 for each unit, number of a vector and of the k characters at up to 4096 places;
    at fewer, where these would have more than 2²⁰ logits. All of this with one thread; others take some MiB
    more.

    References
    ----------
    .. [1] A. Karpathy, J. Johnson and L. Fei-Fei, "Visualizing and understanding recurrent networks",
       arXiv:1506.02078, 2015.

    Examples
    --------
    >>> import diptych
    >>> sizes = {"hidden_size": 32, "batch_size": 2, "sequence_length": 16}
    >>> model = diptych.CharacterModel(**sizes, epochs=40, random_state=0)
    >>> model.fit("to be or not to be, " * 40).generate("to be or", 12, temperature=0)
    ' not to be, '
    """

    characters_: str
    shares_: NDArray[np.float64]
    losses_: NDArray[np.float64]
    _net: Net

    def __init__(
        self,
        *,
        hidden_size: int = 256,
        num_layers: int = 1,
        embedding_dim: int = 64,
        dropout: float = 0.2,
        epochs: int = 10,
        batch_size: int = 32,
        sequence_length: int = 64,
        learning_rate: float = 0.003,
        min_learning_rate: float = 0.00003,
        clip_norm: float = 1.0,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
        backend: str = "rust",
    ) -> None:
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.sequence_length = sequence_length
        self.learning_rate = learning_rate
        self.min_learning_rate = min_learning_rate
        self.clip_norm = clip_norm
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.backend = backend

    _counts: ClassVar[tuple[str, ...]] = (
        "hidden_size", "num_layers", "embedding_dim", "epochs", "batch_size", "sequence_length",
    )  # fmt: skip

    def fit(self, text: str, y: Any = None) -> Self:
        """Learn a text.

        Parameters
        ----------
        text : str
            At least two characters, better hundreds of thousands.
        y : Ignored
            Present for scikit-learn's conventions.

        Returns
        -------
        self
            The fitted estimator itself. When fitting fails or is interrupted, what it held before stays.

        Raises
        ------
        ValueError
            If a parameter is out of range, or the text has fewer than two characters.
        TypeError
            If `text` is no string. (The error is a ValueError as well.)
        FloatingPointError
            If training diverges: a weight or a loss is not finite, or the mean loss of an epoch is a hundred
            times log(number of characters); the message names the learning rate.
        """
        self._check_parameters()
        _check_text(text, "text")
        if len(text) < 2:
            raise ValueError(f"text has {len(text)} characters: at least 2 are needed to learn what follows.")
        numbers, points = _numbered(_points(text))
        key = seed_key(seed_of(self.random_state))
        # Numbers of NumPy may be narrow: their products are not what is meant.
        sizes = int(self.embedding_dim), int(self.hidden_size), int(self.num_layers)
        options = {"backend": self.backend, "n_jobs": self.n_jobs}
        net = make(len(points), sizes, self.dropout, options, key)
        plan = Plan(
            int(self.epochs), int(self.batch_size), int(self.sequence_length),
            (float(self.learning_rate), float(self.min_learning_rate)), float(self.clip_norm),
            float(self.dropout),
        )  # fmt: skip
        # Divergence is told by losses and weights.
        quiet = np.errstate(over="ignore", invalid="ignore")
        with _progress.bar("learning a text", wanted=self.verbose), one_thread(), quiet:
            losses = train(net, numbers, plan, key)
        self._take("".join(map(chr, points)), np.bincount(numbers) / len(text), net, losses)
        return self

    def stream(self) -> "CharacterStream":
        """Return a reader of text that comes piece by piece.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError, TypeError
            If `n_jobs`, set since, is no number of threads.
        """
        check_is_fitted(self)
        self._net.lstm.n_jobs = resolve_n_jobs(self.n_jobs)
        return CharacterStream(self)

    def cross_entropy(self, text: str) -> float:
        """Return how many nats a character of a text costs.

        Parameters
        ----------
        text : str
            At least one character; the first is expected as `shares_` says, each other after all before it.

        Returns
        -------
        float
            The mean of −log p, p being the probability given to each character before it was read.

        Raises
        ------
        ValueError
            If the text is empty, or has a character that the fitted text had not; the message names it.
        """
        stream = self.stream()
        _check_text(text, "text")
        if not text:
            raise ValueError("text is empty: there is no character to expect.")
        return float(stream.feed(text).mean())

    def score(self, text: str, y: Any = None) -> float:
        """Return −``cross_entropy(text)``: higher is better, as scikit-learn has it."""
        return -self.cross_entropy(text)

    @one_thread()
    def generate(self, prompt: str, length: int, *, temperature: float = 1.0, rng: Any = None) -> str:
        """Write on.

        Parameters
        ----------
        prompt : str
            What is read before; may be empty.
        length : int
            How many characters to write.
        temperature : float, default=1.0
            Logits are divided by it: below 1 for what is likely, above 1 for surprise; 0 always takes the
            likeliest.
        rng : None, int, SeedSequence or Generator, default=None
            Where the choices come from, one random number for each character.

        Returns
        -------
        str
            The `length` characters that follow, without the prompt.

        Raises
        ------
        ValueError
            If a parameter is out of range, or the prompt has a character that the fitted text had not; the
            message names it.
        TypeError
            If a parameter is of another type. (The error is a ValueError as well.)
        """
        stream = self.stream()
        require(is_count(length, 0), "generate", "length", length, "an int in the range [0, inf)")
        warm = is_real(temperature) and temperature >= 0
        require(warm, "generate", "temperature", temperature, "a float in the range [0.0, inf)")
        stream._feed(prompt, "prompt")
        draws = uniform(words_at(seed_key(rng), 0, np.arange(length, dtype=np.uint64)))
        found: list[int] = []
        for u in draws:
            found.append(_choose(stream._logits, float(temperature), u))
            stream._read(found[-1])
        return "".join(self.characters_[k] for k in found)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the fitted model to a file without pickle; :func:`diptych.load` returns it."""
        check_is_fitted(self)
        from diptych.estimators._character_file import to_archive
        from diptych.io import write_archive

        write_archive(path, *to_archive(self))

    @property
    def embedding_(self) -> Any:
        """The vectors of the characters."""
        check_is_fitted(self)
        return self._net.embedding

    @property
    def lstm_(self) -> Any:
        """The recurrent network."""
        check_is_fitted(self)
        return self._net.lstm

    @property
    def linear_(self) -> Any:
        """What makes logits of its states."""
        check_is_fitted(self)
        return self._net.linear

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_net")

    def _take(self, characters: str, shares: NDArray[np.float64], net: Net, losses: Any) -> None:
        self.characters_, self.shares_, self._net, self.losses_ = characters, shares, net, losses

    def _check_parameters(self) -> None:
        name = type(self).__name__
        for parameter in self._counts:
            value = getattr(self, parameter)
            require(is_count(value, 1), name, parameter, value, "an int in the range [1, inf)")
        for parameter in ("learning_rate", "clip_norm"):
            value = getattr(self, parameter)
            require(is_real(value) and value > 0, name, parameter, value, "a float in the range (0.0, inf)")
        least, rate = self.min_learning_rate, self.learning_rate
        fits = is_real(least) and 0 <= least <= rate
        require(fits, name, "min_learning_rate", least, "a float in the range [0.0, learning_rate]")
        fits = is_real(self.dropout) and 0 <= self.dropout < 1
        require(fits, name, "dropout", self.dropout, "a float in the range [0.0, 1.0)")
        require(is_random_state(self.random_state), name, "random_state", self.random_state, _RANDOM_STATES)
        known = isinstance(self.backend, str) and self.backend in _BACKENDS
        require(known, name, "backend", self.backend, among(_BACKENDS))
        require(isinstance(self.verbose, bool | np.bool), name, "verbose", self.verbose, "a bool")
        fits = self.n_jobs is None or is_count(self.n_jobs, None)
        require(fits, name, "n_jobs", self.n_jobs, "an instance of 'int' or None")


class CharacterStream:
    """A reader of text that comes piece by piece: what :meth:`CharacterModel.stream` returns.

    It carries the state from piece to piece, so that pieces cost what the whole text costs, up to rounding.
    It reads on as the model was when it was made, whatever the model learns later.

    Examples
    --------
    >>> import diptych
    >>> model = diptych.CharacterModel(hidden_size=8, epochs=2, batch_size=4, random_state=0)
    >>> stream = model.fit("abcabc" * 9).stream()
    >>> stream.feed("ab").shape, sorted(stream.expected())
    ((2,), ['a', 'b', 'c'])
    """

    def __init__(self, model: CharacterModel) -> None:
        self._net, self._characters = model._net, model.characters_
        self._points = _points(model.characters_)
        self._state: Any = None
        self._logits: NDArray[Any] = np.log(model.shares_)

    @one_thread()
    def feed(self, text: str) -> NDArray[np.float64]:
        """Read a piece and return −log p of each of its characters, in nats, p being what was expected.

        Parameters
        ----------
        text : str
            Any number of characters.

        Returns
        -------
        ndarray of shape (len(text),), float64

        Raises
        ------
        ValueError
            If the text has a character that the fitted text had not; the message names it.
        TypeError
            If `text` is no string. (The error is a ValueError as well.)
        """
        return self._feed(text, "text")

    def _feed(self, text: str, name: str) -> NDArray[np.float64]:
        numbers = self._numbers(text, name)
        costs = np.zeros(len(numbers))
        size = max(1, min(_PIECE, _LOGITS // len(self._characters)))
        for begin in range(0, len(numbers), size):
            costs[begin : begin + size] = self._costs(numbers[begin : begin + size])
        return costs

    def _costs(self, piece: NDArray[np.int64]) -> NDArray[np.float64]:
        """Read a piece at once."""
        logits, self._state = self._net.logits(piece[:, None], self._state)
        before = np.concatenate([self._logits[None].astype(np.float64), logits[:-1, 0]])
        self._logits = logits[-1, 0].copy()  # a view would keep those of the whole piece
        before -= before.max(axis=1, keepdims=True)
        right = before[np.arange(len(piece)), piece]
        return np.asarray(np.log(np.exp(before, out=before).sum(axis=1)) - right)

    def expected(self) -> dict[str, float]:
        """Return the probability of each character to come next."""
        p = np.exp(_log_softmax(self._logits[None].astype(np.float64)))[0]
        return dict(zip(self._characters, p.tolist(), strict=True))

    def _numbers(self, text: str, name: str) -> NDArray[np.int64]:
        _check_text(text, name)
        known, points = self._points, _points(text)
        numbers = np.searchsorted(known, points)
        wrong = known[np.minimum(numbers, len(known) - 1)] != points
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"{name}[{at}]={text[at]!r}: not one of the {len(known)} characters of the text the model "
                "was fitted on; replace it, or fit on a text that has it."
            )
        return numbers.astype(np.int64)

    def _read(self, number: int) -> None:
        y, self._state = self._net.lstm.step(self._net.embedding([number]), self._state)
        self._logits = self._net.linear(y)[0]


def _points(text: str) -> NDArray[np.uint32]:
    """Return the code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32)


def _numbered(points: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return the number of each code point among those that are there, and these."""
    there = np.unique(points)  # its own inverse takes twice as much memory
    return np.searchsorted(there, points).astype(np.int64, copy=False), there


def _check_text(text: Any, name: str) -> None:
    if not isinstance(text, str):
        hint = "; join its parts with ''.join" if isinstance(text, list | tuple) else ""
        raise DtypeError(f"{name} is of type {type(text).__name__}: a string is needed{hint}.")


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _choose(logits: NDArray[Any], temperature: float, u: float) -> int:
    """Return the character in whose part of the unit interval u falls."""
    if temperature == 0:
        return int(logits.argmax())
    below = logits.astype(np.float64) - logits.max()
    with np.errstate(over="ignore"):  # -inf is as good where the temperature is next to nothing
        p = np.exp(np.divide(below, temperature, out=np.zeros_like(below), where=below < 0)).cumsum()
    return int(min(np.searchsorted(p, u * p[-1], side="right"), len(p) - 1))
