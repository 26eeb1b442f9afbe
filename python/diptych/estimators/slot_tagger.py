"""Slot filling: from words to the slots they fill, by a network that reads the whole sentence."""

import os
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from diptych import _progress, _validate_tags
from diptych._blas import one_thread
from diptych._threads import resolve_n_jobs
from diptych._validate import seed_key
from diptych.estimators._parameters import among, is_count, is_random_state, is_real, require, seed_of
from diptych.estimators._tagging_known import Known, Sentences
from diptych.estimators._tagging_network import Sizes, TaggingNetwork
from diptych.estimators._tagging_training import Schedule, train
from diptych.evaluation import chunk_scores
from diptych.evaluation._chunks import chunks

__all__ = ["SlotTagger"]

_ENCODERS = {"none", "rnn", "lstm", "transformer"}
_BACKENDS = {"rust", "reference"}
_RANDOM_STATES = "an int in the range [0, inf), a RandomState, Generator or SeedSequence, or None"
_UNKNOWN_RATE = 0.5  # how often a word that was seen once is taken for an unknown one


class SlotTagger(BaseEstimator):  # type: ignore[misc]
    """Tags of words, "O" or "B-" and "I-" with the name of a slot, learnt from sentences.

    Each word has a vector; an encoder carries what was read from word to word, in both directions, or lets
    all words look at each other; what it says at a word decides on the tag. Words come as strings, in
    languages that do not part them as characters.

    Parameters
    ----------
    encoder : {"none", "rnn", "lstm", "transformer"}, default="lstm"
        What carries memory. "transformer" are two layers of attention over all positions, which want more
        epochs and less dropout, such as 0.1. "none" has no memory and decides on each word by itself; it is
        there to see what memory is worth.
    bidirectional : bool, default=True
        Whether sentences are read in both directions. If not, a word is decided on by what stands before it,
        and what stands behind it only makes sure that tags are a BIO sequence.
    embedding_dim : int, default=100
        Length of the vectors of words.
    hidden_size : int, default=128
        Units of the encoder in each direction; of a Transformer, whose width is `embedding_dim`, those
        between its linear layers.
    dropout : float, default=0.5
        Share of the numbers dropped before and behind the encoder, in training.
    epochs : int, default=30
        How often to go through the sentences at most.
    batch_size : int, default=32
        Sentences in a batch, at most; those in one are of nearly equal lengths.
    learning_rate : float, default=0.005
        Length of Adam's steps at the beginning; it falls linearly, to 0 at the end of `epochs`.
    validation_share : float, default=0.1
        Share of the sentences, drawn at random, that are not learnt from. After each epoch they are tagged,
        and the weights of the best epoch are kept. 0 learns from all, for all epochs; so does a share that
        makes up no sentence.
    patience : int, default=15
        How many epochs without a better one end the training. Short steps at the end make the best epochs, so
        few tell little.
    random_state : None, int, RandomState, Generator or SeedSequence, default=None
        Where the randomness comes from; None takes fresh entropy. An integer or a SeedSequence gives the same
        result at each fit, the two generators of NumPy another.
    n_jobs : int or None, default=None
        Number of threads of the encoder. None means :func:`diptych.get_num_threads`, all cores unless set
        otherwise. The result does not depend on it.
    verbose : bool, default=False
        Whether to show a progress bar with the time left, on standard error; needs tqdm.
    backend : {"rust", "reference"}, default="rust"
        Which panel does the work of the encoder. The reference is for reading and for tests: the same draws,
        results equal up to rounding; slow.

    Attributes
    ----------
    words_ : list of str
        The words that are known, digits folded into 0; all others are unknown alike.
    tags_ : list of str
        The tags there are.
    intents_ : list of str or None
        The intents there are; None if fit was given none.
    losses_ : ndarray of shape (n_epochs,), float64
        Mean loss of a sentence in each epoch.
    validation_scores_ : ndarray of shape (n_epochs,) or (0,), float64
        Chunk F1 of the sentences that were held back, after each epoch; with intents, its mean with the share
        of them that are right. Empty if none were held back.
    best_epoch_ : int
        The epoch, counted from 0, whose weights were kept.

    See Also
    --------
    diptych.evaluation.chunk_scores : How good tags are, slot by slot.
    diptych.datasets.make_travel_requests : Sentences to try it on.

    Notes
    -----
    A word that is not known as it is written is looked for in small letters; digits are folded, so that 9:30
    is as good as 8:15. So that the vector of unknown words is learnt too, a word that was seen n times is
    taken for one at random, with probability 1 / (1 + n). Tags are chosen together, by Viterbi's algorithm:
    of all BIO sequences the one whose scores have the largest sum (with ``encoder="none"`` each by itself,
    so that an "I-" may follow anything). An intent is chosen from the mean of what the encoder says at the
    words, and from the largest value of each number of their vectors; its loss is added to that of the tags.

    A seed gives the same bits for any `n_jobs`. The small layers multiply matrices with NumPy's BLAS, which
    has one thread meanwhile, in the whole process; another BLAS, or another processor, may round otherwise.

    A Transformer has four heads, or two or one where `embedding_dim` is no multiple; its norms stand first,
    and sinusoidal positions are added to the vectors. If it is not bidirectional, words look at earlier ones
    and themselves only.

    Time is O(epochs · words · hidden_size · (embedding_dim + hidden_size)); of a Transformer it is
    O(epochs · words · embedding_dim · (embedding_dim + hidden_size + length of a sentence)). All sentences of
    a batch take the time and the memory of its longest. Where that has more than 64 words, a batch to learn
    from is cut as soon as there are four places for each word of it, so that a sentence far longer than all
    others has a batch, and a step of Adam, for itself. Tags are chosen for up to 64 sentences of together
    4096 places at a time, or for one that is longer.

    Memory of `fit` at the peak is 40 bytes for each word, 400 for each sentence, six times the weights, and
    for each place of a batch 48 bytes for each unit of an LSTM, in each direction, 26 for each number of a
    word's vector and 13 for each tag there is; an RNN takes 20 for a unit, a Transformer 18, and 150 for each
    number of a vector. `predict` takes 24 bytes for each word and 120 for each sentence, its result included,
    and for the places it tags at a time 6 for each unit, 4 for each number of a vector and 16 for each tag;
    of a Transformer more. All of this with one thread; others take some MiB more.

    References
    ----------
    .. [1] G. Mesnil et al., "Using recurrent neural networks for slot filling in spoken language
       understanding", IEEE/ACM Transactions on Audio, Speech, and Language Processing 23(3), 2015.
    .. [2] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997.
    .. [3] A. Vaswani et al., "Attention is all you need", NeurIPS 2017.

    Examples
    --------
    >>> from diptych import SlotTagger, datasets
    >>> sentences, tags, intents = datasets.make_travel_requests(800, rng=0)
    >>> tagger = SlotTagger(hidden_size=64, epochs=12, random_state=0).fit(sentences, tags, intents)
    >>> tagger.predict_slots(["i want to leave taipei and arrive in rome".split()])
    [{'from': ['taipei'], 'to': ['rome']}]
    """

    def __init__(
        self,
        *,
        encoder: str = "lstm",
        bidirectional: bool = True,
        embedding_dim: int = 100,
        hidden_size: int = 128,
        dropout: float = 0.5,
        epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 5e-3,
        validation_share: float = 0.1,
        patience: int = 15,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
        backend: str = "rust",
    ) -> None:
        self.encoder = encoder
        self.bidirectional = bidirectional
        self.embedding_dim = embedding_dim
        self.hidden_size = hidden_size
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_share = validation_share
        self.patience = patience
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.backend = backend

    def fit(self, sentences: Any, tags: Any, intents: Any = None) -> Self:
        """Learn from sentences whose tags are known.

        Parameters
        ----------
        sentences : sequence of sequences of str
            The words of each sentence.
        tags : sequence of sequences of str
            A tag for each word: "O", or "B-" where a slot begins and "I-" where it goes on.
        intents : sequence of str or None, default=None
            What each sentence asks for, to be learnt with the tags; None learns tags alone.

        Returns
        -------
        self
            The fitted estimator itself. When fitting fails or is interrupted, what it held before stays.

        Raises
        ------
        ValueError
            If a parameter is out of range, there is no sentence, one is empty, numbers of words and tags
            differ, or tags are no BIO sequence; the message says which sentence and which word.
        TypeError
            If something else than lists of strings is passed. (The error is a ValueError as well.)
        FloatingPointError
            If training diverges: a weight or a loss is not finite, or the mean loss of an epoch is a hundred
            times that of who knows nothing; the message names the learning rate.
        """
        self._check_parameters()
        given = _checked(sentences, tags, intents)
        n = len(given.words)
        key = seed_key(seed_of(self.random_state), "random_state")
        generator = np.random.default_rng([key, 1])
        order = generator.permutation(n)
        n_held = int(float(self.validation_share) * n)
        held, learnt = given.at(np.sort(order[:n_held])), given.at(np.sort(order[n_held:]))
        known = Known.of(given, learnt)
        network = self._network(known, key)
        examples = known.examples(learnt)
        # Numbers of NumPy may be narrow: their products are not what is meant.
        counts = int(self.epochs), int(self.batch_size), int(self.patience)
        with _progress.bar(type(self).__name__, wanted=bool(self.verbose)):
            callback = _progress.current()
            # The kernels would report each batch as the whole; divergence is told by the loss.
            with _progress.reporting(None), one_thread(), np.errstate(over="ignore", invalid="ignore"):
                history = train(
                    network,
                    examples,
                    Schedule(*counts, float(self.learning_rate)),
                    known.vocabulary.unknown_rates(examples.words, _UNKNOWN_RATE),
                    generator,
                    (lambda: known.score(network, held)) if n_held else None,
                    callback or (lambda done, total: None),
                )
        self._keep(known, network)
        self.losses_ = np.array(history.losses)
        self.validation_scores_ = np.array(history.scores)
        self.best_epoch_ = history.best_epoch
        return self

    def predict(self, sentences: Any) -> list[list[str]]:
        """Return a tag for each word.

        Parameters
        ----------
        sentences : sequence of sequences of str
            The words of each sentence.

        Returns
        -------
        list of list of str
            BIO sequences, but for those of an encoder "none", which may hold an "I-" after anything.

        Raises
        ------
        NotFittedError
            If nothing was learnt yet.
        ValueError
            If a sentence is empty.
        TypeError
            If something else than lists of strings is passed. (The error is a ValueError as well.)
        """
        return self._tagged(sentences)[0]

    def predict_slots(self, sentences: Any) -> list[dict[str, list[str]]]:
        """Return what fills the slots of each sentence.

        Parameters
        ----------
        sentences : sequence of sequences of str
            The words of each sentence.

        Returns
        -------
        list of dict of str to list of str
            For each sentence, by the name of the slot, what fills it, in the order of the sentence: mostly
            one phrase, its words parted by a blank, unless all words of the sentence are single characters.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As by :meth:`predict`.
        """
        words = _validate_tags.sentences(sentences, "sentences", may_be_empty=True)
        return list(map(slots_of, words, self.predict(words)))

    def predict_intent(self, sentences: Any) -> list[str]:
        """Return what each sentence asks for.

        Parameters
        ----------
        sentences : sequence of sequences of str
            The words of each sentence.

        Returns
        -------
        list of str
            One of ``intents_`` each.

        Raises
        ------
        ValueError
            If no intents were learnt, or a sentence is empty.
        NotFittedError, TypeError
            As by :meth:`predict`.
        """
        check_is_fitted(self)
        if self.intents_ is None:
            raise ValueError("no intents were learnt: pass them to fit, fit(sentences, tags, intents).")
        intents = self._tagged(sentences)[1]
        return [] if intents is None else intents

    def attention_weights(self, sentence: Any) -> Any:
        """Return what the words of a sentence look at, by layer and head.

        Parameters
        ----------
        sentence : sequence of str
            The words.

        Returns
        -------
        ndarray of shape (n_layers, n_heads, n_words, n_words)
            Row i of a head: how much word i takes of each word, a sum of 1.

        Raises
        ------
        ValueError
            If the encoder is another than "transformer", or the sentence is empty.
        NotFittedError, TypeError
            As by :meth:`predict`.

        See Also
        --------
        diptych.plot.AttentionDisplay : Draws them.
        """
        check_is_fitted(self)
        network = self._fitted_network
        if network.sizes.encoder != "transformer":
            raise ValueError(
                f"encoder={network.sizes.encoder!r} does not attend: fit a tagger with encoder='transformer'."
            )
        words = _validate_tags.sentence(sentence, "sentence")
        network.layers["encoder"].n_jobs = resolve_n_jobs(self.n_jobs)
        vectors = network.layers["words"](self._known.vocabulary.numbers(words)[:, None])
        with one_thread():
            return network.layers["encoder"].attention_weights(vectors)

    def score(self, sentences: Any, tags: Any) -> float:
        """Return the chunk F1 of the tags that are predicted.

        Parameters
        ----------
        sentences : sequence of sequences of str
            The words of each sentence.
        tags : sequence of sequences of str
            The true tags, those that are unknown to the tagger included.

        Returns
        -------
        float
            In [0, 1]; see :func:`diptych.evaluation.chunk_scores`, which returns the scores of each slot too.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As by :meth:`predict`; if `tags` do not fit `sentences`.
        """
        check_is_fitted(self)
        words = _validate_tags.sentences(sentences, "sentences")
        truth = _validate_tags.tags(tags, "tags", words, "sentences")
        return chunk_scores(truth, self.predict(words)).f1

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted tagger to a file, without pickle, for :func:`diptych.load`.

        Parameters
        ----------
        path : str or path-like
            A name in ``.npz``. An existing file is replaced once the new one is complete. A `random_state`
            other than an integer is left out.
        """
        from diptych.estimators._slot_tagger_file import to_archive
        from diptych.io import write_archive

        check_is_fitted(self)
        write_archive(path, *to_archive(self))

    def _tagged(self, sentences: Any) -> tuple[list[list[str]], list[str] | None]:
        check_is_fitted(self)
        words = _validate_tags.sentences(sentences, "sentences", may_be_empty=True)
        network = self._fitted_network
        if "encoder" in network.layers:
            network.layers["encoder"].n_jobs = resolve_n_jobs(self.n_jobs)
        with one_thread():
            return self._known.tagged(network, words)

    def _network(self, known: Known, seed: int) -> TaggingNetwork:
        sizes = Sizes(
            self.encoder,
            bool(self.bidirectional),
            len(known.vocabulary),
            int(self.embedding_dim),
            int(self.hidden_size),
            len(known.tags),
            0 if known.intents is None else len(known.intents),
        )
        n_jobs = resolve_n_jobs(self.n_jobs)
        return TaggingNetwork(sizes, dropout=self.dropout, backend=self.backend, n_jobs=n_jobs, seed=seed)

    def _keep(self, known: Known, network: TaggingNetwork) -> None:
        self._known, self._fitted_network = known, network
        self.words_, self.tags_, self.intents_ = known.vocabulary.words, known.tags, known.intents

    def _check_parameters(self) -> None:
        def check(fulfilled: bool, name: str, rule: str) -> None:
            require(fulfilled, type(self).__name__, name, getattr(self, name), rule)

        for name, options in (("encoder", _ENCODERS), ("backend", _BACKENDS)):
            value = getattr(self, name)
            check(isinstance(value, str) and value in options, name, among(options))
        for name in ("embedding_dim", "hidden_size", "epochs", "batch_size", "patience"):
            check(is_count(getattr(self, name), 1), name, "an int in the range [1, inf)")
        for name in ("bidirectional", "verbose"):
            check(isinstance(getattr(self, name), bool | np.bool), name, "an instance of 'bool'")
        for name in ("dropout", "validation_share"):
            value = getattr(self, name)
            check(is_real(value) and 0 <= value < 1, name, "a float in the range [0.0, 1.0)")
        check(
            is_real(self.learning_rate) and self.learning_rate > 0,
            "learning_rate",
            "a float in the range (0.0, inf)",
        )
        check(is_random_state(self.random_state), "random_state", _RANDOM_STATES)
        check(self.n_jobs is None or is_count(self.n_jobs, None), "n_jobs", "an instance of 'int' or None")


def slots_of(words: list[str], tags: list[str]) -> dict[str, list[str]]:
    """Return what fills the slots of one sentence; see :meth:`SlotTagger.predict_slots`."""
    blank = "" if all(len(word) == 1 for word in words) else " "
    slots: dict[str, list[str]] = {}
    for slot, start, end in chunks(tags):
        slots.setdefault(slot, []).append(blank.join(words[start:end]))
    return slots


def _checked(sentences: Any, tags: Any, intents: Any) -> Sentences:
    words = _validate_tags.sentences(sentences, "sentences")
    wanted = _validate_tags.tags(tags, "tags", words, "sentences")
    _validate_tags.check_sequences(wanted, "tags")
    asked = None if intents is None else _validate_tags.labels(intents, "intents", len(words))
    return Sentences(words, wanted, asked)
