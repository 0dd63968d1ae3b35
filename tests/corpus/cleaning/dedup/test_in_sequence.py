"""Specifies the decisions of sequence filters on documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ids import document_id
from textmill.config import CleanConfig
from textmill.corpus.cleaning.dedup.fingerprints import Fingerprinter
from textmill.corpus.cleaning.dedup.in_sequence import InSequence
from textmill.corpus.cleaning.document import Document, Edit, Prepared, Rejection
from textmill.corpus.cleaning.filters import SequenceFilter, Verdict, chain
from textmill.corpus.cleaning.filters.chain import FILTERS


def config_of(**fields: Any) -> CleanConfig:
    return CleanConfig.model_validate({"sources": [{"name": "a", "path": "a.txt"}], **fields})


def prepared(config: CleanConfig, *texts: str) -> list[Prepared]:
    return Fingerprinter(config).prepared([Document(text, "en") for text in texts])


class Trimmer(SequenceFilter):
    """Removes all after the first word from every document after the first."""

    name = "trimmed"
    description = "all but the first word"
    changes = ("dropped_words",)

    @contextmanager
    def judging(self, config: CleanConfig, folder: Path) -> Iterator[Callable[[Prepared], Verdict]]:
        seen: list[str] = []

        def judge(document: Prepared) -> Verdict:
            seen.append(document.text)
            word, _, rest = document.text.partition(" ")
            if len(seen) == 1 or not rest:
                return None
            n_words = len(rest.split())
            return Edit(word, {"dropped_words": n_words}, ((rest, Rejection("rest")),))

        yield judge


def test_a_changed_document_gets_new_fingerprints_and_is_compared_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "FILTERS", (*FILTERS, Trimmer()))
    config = config_of()
    documents = prepared(config, "one", "two and more", "one by one", "two")
    with InSequence(config, tmp_path) as in_sequence:
        decisions = [in_sequence.decide(document) for document in documents]
    first, changed, again, last = decisions
    assert (first.rejection, first.examples) == (None, ())
    assert (changed.document.text, changed.judged_text) == ("two", "two and more")
    assert changed.document.doc_id.hex() == document_id("two")
    assert (changed.document.n_bytes, changed.document.changes) == (3, {"dropped_words": 2})
    assert changed.examples == (("and more", Rejection("rest")),)
    assert again.rejection == Rejection("exact_duplicate", "", document_id("one"), 1.0)
    assert again.judged_text == "one by one"
    assert last.rejection == Rejection("exact_duplicate", "", document_id("two"), 1.0)


def test_documents_rejected_by_earlier_filters_are_not_remembered(tmp_path: Path) -> None:
    config = config_of()
    documents = [Document("one", "en", rejection=Rejection("too_short")), Document("one", "en")]
    with InSequence(config, tmp_path) as in_sequence:
        decisions = [
            in_sequence.decide(document) for document in Fingerprinter(config).prepared(documents)
        ]
    assert [one.rejection for one in decisions] == [Rejection("too_short"), None]


def test_disabled_filters_do_nothing(tmp_path: Path) -> None:
    config = config_of(exact_duplicates={"enabled": False})
    with InSequence(config, tmp_path) as in_sequence:
        decisions = [in_sequence.decide(document) for document in prepared(config, "one", "one")]
    assert [one.rejection for one in decisions] == [None, None]


def test_temporary_files_are_removed(tmp_path: Path) -> None:
    config = config_of(near_duplicates={"enabled": True}, repeated_lines={"enabled": True})
    with InSequence(config, tmp_path) as in_sequence:
        (document,) = prepared(config, "one text of words")
        assert in_sequence.decide(document).rejection is None
    assert list(tmp_path.iterdir()) == []
