"""The labelled and unlabelled texts that sentiment is trained and judged on.

Every reader takes the data folder that `data/README.md` describes and returns `Text`s. Which sets
may shape the shipped weights is decided by their licences; `training_texts` reads those alone.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from models.sentiment.base import NEGATIVE, NEUTRAL, POSITIVE

SEMEVAL_TEST_2016 = "semeval-2016-test"
"""The set that a held-out English figure is measured on."""

LANGUAGES = {
    "arabic": "ar",
    "english": "en",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "portuguese": "pt",
    "spanish": "es",
}
"""UMSAB's folders and their language tags."""

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_SEMEVAL_LABELS = {"negative": NEGATIVE, "neutral": NEUTRAL, "positive": POSITIVE}
_WCCRS_LABELS = {"0": NEUTRAL, "2": POSITIVE, "3": NEGATIVE}
_RECOMMENDATION = {"Empfohlen": POSITIVE, "Nicht empfohlen": NEGATIVE}


class CorpusError(ValueError):
    """A file of the data folder is absent or not in the format its reader expects."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a data set.

    Attributes:
        source: name of the set, such as "semeval-2013-train".
        language: primary language tag.
        label: NEGATIVE, NEUTRAL, POSITIVE, or None where the set has no label.
        body: the text.
    """

    source: str
    language: str
    label: int | None
    body: str

    @property
    def family(self) -> str:
        """The data set that its source is a part of, such as "semeval"."""
        return self.source.partition("-")[0]

    @property
    def is_review(self) -> bool:
        """Whether it is of a review, not a post."""
        return self.family in ("wccrs", "review")


def read_semeval(folder: Path) -> list[Text]:
    """English posts of SemEval 2013–2016, each post once, the first label kept.

    Args:
        folder: the data folder.

    Returns:
        Texts whose sources are "semeval-<year>-<part>".

    Raises:
        CorpusError: a file is absent or a line has another shape.
    """
    seen: set[str] = set()
    texts: list[Text] = []
    for path in _files(folder / "semeval2017_4a", "twitter-*-A.tsv"):
        year, part = re.fullmatch(r"twitter-(\d{4})(\w+)-A", path.stem).groups()  # type: ignore[union-attr]
        for number, line in enumerate(_lines(path), start=1):
            columns = line.split("\t")
            if len(columns) < 3 or columns[1] not in _SEMEVAL_LABELS:
                raise CorpusError(f"{path}:{number}: expected id, label and text between tabs")
            body = unescape(columns[2])
            key = " ".join(body.split()).lower()
            if columns[0] in seen or key in seen:
                continue
            seen.update((columns[0], key))
            label = _SEMEVAL_LABELS[columns[1]]
            texts.append(Text(f"semeval-{year}-{part}", "en", label, body))
    return texts


def read_wccrs(folder: Path, part: str) -> list[Text]:
    """Polish review sentences; the "ambivalent" ones are left out.

    Args:
        folder: the data folder.
        part: "train" or "dev".

    Returns:
        Texts whose sources are "wccrs-<domain>-<part>".

    Raises:
        CorpusError: a file is absent or a line has another shape.
    """
    texts = []
    for domain in ("hotels", "medicine"):
        path = folder / "wccrs_pl" / domain / f"{part}.txt"
        for number, line in enumerate(_lines(path), start=1):
            label, _, body = line.partition(" ")
            if label not in {"0", "1", "2", "3"}:
                raise CorpusError(f"{path}:{number}: expected a label 0–3, a space and a sentence")
            if label in _WCCRS_LABELS:
                texts.append(Text(f"wccrs-{domain}-{part}", "pl", _WCCRS_LABELS[label], body))
    return texts


def read_umsab(folder: Path, part: str) -> list[Text]:
    """Posts in eight languages, balanced over the three classes.

    Args:
        folder: the data folder.
        part: "train" or "val" (English has no "val").

    Returns:
        Texts whose sources are "umsab-<language tag>-<part>".

    Raises:
        CorpusError: a file is absent, or labels and texts differ in number.
    """
    texts = []
    for name, language in LANGUAGES.items():
        labels_path = folder / "umsab" / name / f"{part}_labels.txt"
        if part == "val" and name == "english":
            continue
        labels = list(_lines(labels_path))
        bodies = list(_lines(labels_path.with_name(f"{part}_text.txt")))
        if len(labels) != len(bodies):
            raise CorpusError(f"{labels_path}: {len(labels)} labels for {len(bodies)} texts")
        texts += [
            Text(f"umsab-{language}-{part}", language, int(label), body)
            for label, body in zip(labels, bodies, strict=True)
        ]
    return texts


def read_reviews(folder: Path) -> list[Text]:
    """English game reviews of three incidents, labelled by their recommendation.

    Args:
        folder: the data folder.

    Returns:
        Texts of source "review-bombs".

    Raises:
        CorpusError: a file is absent or lacks the columns `review` and `combined_rating`.
    """
    texts = []
    for path in _files(folder / "review_bombs", "final_annotation_project_*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if not {"review", "combined_rating"} <= set(rows.fieldnames or ()):
                raise CorpusError(f"{path}: expected the columns review and combined_rating")
            texts += [
                Text("review-bombs", "en", _RECOMMENDATION[row["combined_rating"]], row["review"])
                for row in rows
                if row["combined_rating"] in _RECOMMENDATION and row["review"].strip()
            ]
    return texts


def read_mozetic(folder: Path) -> list[Text]:
    """Polish posts for judging alone: their terms do not allow training.

    Args:
        folder: the data folder.

    Returns:
        Texts of source "mozetic-pl".

    Raises:
        CorpusError: the file is absent or a line has another shape.
    """
    labels = {"Negative": NEGATIVE, "Positive": POSITIVE}
    path = folder / "mozetic_pl" / "tweets.tsv"
    texts = []
    for number, line in enumerate(_lines(path), start=1):
        columns = line.split("\t")
        if number == 1:
            continue
        if len(columns) != 3 or columns[1] not in labels:
            raise CorpusError(f"{path}:{number}: expected id, Negative or Positive, and text")
        texts.append(Text("mozetic-pl", "pl", labels[columns[1]], columns[2]))
    return texts


def read_airline(folder: Path) -> list[Text]:
    """English posts to three airlines for judging alone: their licence forbids shipping.

    Args:
        folder: the data folder.

    Returns:
        Texts of source "airline".

    Raises:
        CorpusError: the file is absent.
    """
    path = folder / "airline" / "posts.csv"
    _require(path)
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Text("airline", "en", _SEMEVAL_LABELS[row["airline_sentiment"]], row["text"])
            for row in csv.DictReader(file)
        ]


def read_stocknet(folder: Path) -> list[Text]:
    """Unlabelled English posts about companies, reposts and repeats left out.

    Args:
        folder: the data folder.

    Returns:
        Texts of source "stocknet" without labels.

    Raises:
        CorpusError: the file is absent.
    """
    path = folder / "stocknet" / "posts.jsonl.gz"
    _require(path)
    seen: set[str] = set()
    texts = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            body = json.loads(line)["text"]
            key = re.sub(r"https?://\S+|@\w+|\W+", " ", body).strip().lower()
            if body.startswith("RT @") or key in seen:
                continue
            seen.add(key)
            texts.append(Text("stocknet", "en", None, body))
    return texts


def read_afinn(folder: Path) -> list[tuple[str, str, int]]:
    """Words and phrases with a valence.

    Args:
        folder: the data folder.

    Returns:
        (language, word, valence in -5 … 5).

    Raises:
        CorpusError: a file is absent or a line has another shape.
    """
    entries = []
    for language in ("en", "fr", "pl"):
        path = folder / "afinn" / f"AFINN-{language}-165.txt"
        for number, line in enumerate(_lines(path), start=1):
            word, _, valence = line.rpartition("\t")
            try:
                entries.append((language, word, int(valence)))
            except ValueError as error:
                raise CorpusError(f"{path}:{number}: expected a word, a tab, a number") from error
    return entries


def training_texts(folder: Path, without: Iterable[str] = ()) -> list[Text]:
    """Labelled texts that may shape shipped weights, none of which repeats a text left out.

    Args:
        folder: the data folder.
        without: sources to leave out, whole.

    Returns:
        Texts in a fixed order.

    Raises:
        CorpusError: a file is absent or malformed.
    """
    left_out = set(without)
    texts = read_semeval(folder) + read_wccrs(folder, "train") + read_umsab(folder, "train")
    texts += read_reviews(folder)
    hidden = {_key(text.body) for text in texts if text.source in left_out}
    hidden |= {_key(t.body) for t in read_umsab(folder, "val") + read_wccrs(folder, "dev")}
    return [t for t in texts if t.source not in left_out and _key(t.body) not in hidden]


def unescape(body: str) -> str:
    r"""Replaces `\u2019`-style escapes, which some sets carry literally."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), body).replace('""', '"')


def _key(body: str) -> str:
    body = re.sub(r"https?://\S+|\bhttp\b|@\w+", " ", unescape(body))
    return re.sub(r"\W+", " ", body).strip().lower()


def _files(folder: Path, pattern: str) -> list[Path]:
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise CorpusError(f"{folder}: no {pattern}; give the folder that data/README.md describes")
    return paths


def _require(path: Path) -> None:
    if not path.exists():
        raise CorpusError(f"{path} is absent; give the folder that data/README.md describes")


def _lines(path: Path) -> Iterator[str]:
    _require(path)
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.rstrip("\r\n")
