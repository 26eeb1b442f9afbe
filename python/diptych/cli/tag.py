"""``diptych tag``: a tagger of words learnt from a file, and the tags of other sentences."""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diptych.cli import _console
from diptych.cli._arguments import n_jobs, positive_float, positive_int, share, whole_number
from diptych.cli._console import UsageError
from diptych.cli._tables import DataError
from diptych.cli._tagged_text import read_columns, read_labels, read_sentences, read_tags

if TYPE_CHECKING:
    from diptych.estimators.slot_tagger import SlotTagger

EPILOG = """\
examples:
  diptych tag train requests.conll -o tagger.npz
  diptych tag train seq.in --tags seq.out --intents label -o tagger.npz --seed 0
  echo "leave taipei and arrive in rome" | diptych tag predict tagger.npz -
  diptych tag predict tagger.npz sentences.txt --json -o tagged.jsonl

requests.conll holds a word on each line and its tag behind it, O, B-slot or I-slot, and an empty line after
each sentence. With --tags there is a sentence on each line instead, and its tags on the same line there.
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "tag",
        help="learn to tag words with the slots they fill, and tag (LSTM)",
        description="Learn to tag words with the slots they fill, and tag.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _add_train(actions)
    _add_predict(actions)


def _add_train(actions: Any) -> None:
    parser = actions.add_parser(
        "train",
        help="learn from sentences whose tags are known",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("sentences", help="words and tags in columns; with --tags, a sentence on each line")
    parser.add_argument(
        "--tags", metavar="FILE", help="the tags of each sentence on a line, parted by blanks"
    )
    parser.add_argument("--intents", metavar="FILE", help="what each sentence asks for, on a line")
    parser.add_argument("--characters", action="store_true", help="with --tags: words are single characters")
    parser.add_argument("-o", "--output", required=True, help="file for the tagger: npz")
    network = parser.add_argument_group("the network")
    network.add_argument(
        "--encoder", choices=("none", "rnn", "lstm", "transformer"), default="lstm", help="memory (lstm)"
    )
    network.add_argument("--one-way", action="store_true", help="read from left to right alone")
    network.add_argument("--embedding-dim", type=positive_int, default=100, help="length of a vector (100)")
    network.add_argument("--hidden-size", type=positive_int, default=128, help="units each way (128)")
    training = parser.add_argument_group("the training")
    training.add_argument("--dropout", type=share, default=0.5, help="share dropped in training (0.5)")
    training.add_argument("--epochs", type=positive_int, default=30, help="rounds at most (30)")
    training.add_argument("--batch-size", type=positive_int, default=32, help="sentences in a batch (32)")
    training.add_argument(
        "--learning-rate", type=positive_float, default=5e-3, help="length of the first steps (0.005)"
    )
    training.add_argument("--validation-share", type=share, default=0.1, help="held back to stop by (0.1)")
    training.add_argument(
        "--patience", type=positive_int, default=15, help="rounds without a better one (15)"
    )
    training.add_argument("--seed", type=whole_number, help="same seed, same tagger (another each time)")
    training.add_argument("--n-jobs", type=n_jobs, help="threads (all cores)")
    training.add_argument(
        "--backend", choices=("rust", "reference"), default="rust", help="panel that does the work (rust)"
    )
    said = parser.add_argument_group("what is said")
    said.add_argument("--json", action="store_true", help="write what was done as one JSON object")
    said.add_argument("--quiet", action="store_true", help="no summary on standard error")
    parser.set_defaults(run=train)


def _add_predict(actions: Any) -> None:
    parser = actions.add_parser("predict", help="tag the words of sentences", allow_abbrev=False)
    parser.add_argument("tagger", help="what tag train wrote")
    parser.add_argument("sentences", help="a sentence on each line; - is standard input")
    parser.add_argument("--characters", action="store_true", help="words are single characters")
    parser.add_argument("-o", "--output", help="file for the result (standard output)")
    parser.add_argument(
        "--json", action="store_true", help="a JSON object for each sentence: words, tags, slots, intent"
    )
    parser.set_defaults(run=predict)


def train(args: argparse.Namespace) -> int:
    """Read, learn, write."""
    _check_train(args)
    if args.tags is None:
        sentences, tags = read_columns(args.sentences)
    else:
        sentences = read_sentences(args.sentences, characters=args.characters)
        tags = read_tags(args.tags)
    intents = None if args.intents is None else read_labels(args.intents)
    model = _model(args)
    started = time.perf_counter()
    with _console.progress_bar("diptych tag train"):
        model.fit(sentences, tags, intents)
    seconds = time.perf_counter() - started
    model.save(args.output)
    facts = _facts(args, model, sentences, seconds)
    if not args.quiet:
        what = "chunk F1" if model.intents_ is None else "mean of chunk F1 and of intents right"
        held = f", {what} of what was held back {facts['score']:.2%}" if facts["score"] is not None else ""
        _console.message(
            f"{len(sentences):,} sentences, {len(model.words_):,} words, {len(model.tags_)} tags: epoch "
            f"{model.best_epoch_ + 1} of {len(model.losses_)} kept{held}. {_console.duration(seconds)}"
        )
    if args.json:
        _console.write_json(facts)
    return 0


def _check_train(args: argparse.Namespace) -> None:
    if args.characters and args.tags is None:
        raise UsageError("--characters needs --tags: in columns each word is on a line of its own anyway.")
    given = [path for path in (args.sentences, args.tags, args.intents) if path is not None]
    if given.count("-") > 1:
        raise UsageError("standard input can be read once: name a file for the others.")
    for path in given:
        _console.check_source(path)
    _console.check_destination(args.output, option="-o")
    if Path(args.output).suffix.lower() != ".npz":
        raise UsageError(f"-o {args.output}: a tagger is written to .npz.")
    if any(_console.same_file(args.output, path) for path in given if path != "-"):
        raise UsageError(f"-o {args.output}: would overwrite what is read.")


def _model(args: argparse.Namespace) -> SlotTagger:
    from diptych.estimators.slot_tagger import SlotTagger

    return SlotTagger(
        encoder=args.encoder,
        bidirectional=not args.one_way,
        embedding_dim=args.embedding_dim,
        hidden_size=args.hidden_size,
        dropout=args.dropout,
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        validation_share=args.validation_share,
        patience=args.patience,
        random_state=args.seed,
        n_jobs=args.n_jobs,
        backend=args.backend,
    )


def _facts(
    args: argparse.Namespace, model: SlotTagger, sentences: list[list[str]], seconds: float
) -> dict[str, Any]:
    scores = model.validation_scores_
    return {
        "sentences": len(sentences),
        "words": len(model.words_),
        "tags": model.tags_,
        "intents": model.intents_,
        "params": {k: v for k, v in model.get_params().items() if k not in ("n_jobs", "verbose", "backend")},
        "losses": model.losses_.tolist(),
        "best_epoch": model.best_epoch_,
        "score": float(scores[model.best_epoch_]) if len(scores) else None,
        "seconds": round(seconds, 6),
        "output": args.output,
    }


def predict(args: argparse.Namespace) -> int:
    """Read, tag, write."""
    if args.tagger == "-":
        raise UsageError("the tagger is read from a file, not from standard input.")
    for path in (args.tagger, args.sentences):
        _console.check_source(path)
    _console.check_destination(args.output, option="-o")
    if args.output not in (None, "-"):
        for path in (args.tagger, args.sentences):
            if path != "-" and _console.same_file(args.output, path):
                raise UsageError(f"-o {args.output}: would overwrite {path}.")
    from diptych import io
    from diptych.estimators.slot_tagger import SlotTagger

    model = io.load(args.tagger)
    if not isinstance(model, SlotTagger):
        raise DataError(f"{args.tagger} holds a {type(model).__name__}, no tagger.")
    sentences = read_sentences(args.sentences, characters=args.characters)
    if not args.characters and all(len(word) == 1 for word in model.words_):
        long = next((word for row in sentences for word in row if len(word) > 1), None)
        if long is not None:
            raise UsageError(f"{args.tagger} knows single characters, not {long!r}: pass --characters.")
    lines = _objects(model, sentences) if args.json else _columns(model, sentences)
    with _console.result_stream(args.output) as stream:
        stream.writelines(f"{line}\n" for line in lines)
    return 0


def _columns(model: SlotTagger, sentences: list[list[str]]) -> list[str]:
    lines = []
    for i, (sentence, tags) in enumerate(zip(sentences, model.predict(sentences), strict=True)):
        lines += [""] if i else []
        lines += [f"{word}\t{tag}" for word, tag in zip(sentence, tags, strict=True)]
    return lines


def _objects(model: SlotTagger, sentences: list[list[str]]) -> list[str]:
    from diptych.estimators.slot_tagger import slots_of

    tags, intents = model._tagged(sentences)
    slots = map(slots_of, sentences, tags)
    rows = zip(sentences, tags, slots, intents or itertools.repeat(None, len(sentences)), strict=True)
    names = "words", "tags", "slots", "intent"
    return [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows]
