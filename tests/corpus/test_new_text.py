"""Specifies which new text is measured, and how it is read."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from textmill.config import CorpusConfig, DriftConfig
from textmill.corpus.new_text import choose_texts, digest_new_text
from textmill.corpus.preparing import document_id
from textmill.errors import InputError

CORPUS = CorpusConfig.model_validate({"sources": [{"name": "own", "path": "x"}], "min_chars": 9})


def config(path: Path | str, **further: object) -> DriftConfig:
    return DriftConfig.model_validate({"path": str(path), "documents": "line"} | further)


def test_documents_are_cleaned_like_the_corpus(tmp_path: Path) -> None:
    file = tmp_path / "new.txt"
    file.write_text("<b>caf\u00c3\u00a9 au lait</b>\nshort\nask mara@example.com today\n")
    texts = choose_texts(config(file), CORPUS)
    assert set(texts) == {"café au lait", "ask [EMAIL] today"}


def test_a_text_counts_once_and_the_choice_depends_on_the_texts_alone(tmp_path: Path) -> None:
    lines = [f"the ferry number {i}" for i in range(50)]
    (tmp_path / "a.txt").write_text("\n".join(lines + lines))
    random.Random(1).shuffle(lines)
    (tmp_path / "b.txt").write_text("\n".join(lines))
    first = choose_texts(config(tmp_path / "a.txt", max_documents=20), CORPUS)
    assert len(set(first)) == 20
    assert first == choose_texts(config(tmp_path / "b.txt", max_documents=20), CORPUS)
    assert first == sorted(lines, key=document_id)[:20]


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    file = tmp_path / "new.txt"
    file.write_text("one")
    first = digest_new_text(config(file))
    file.write_text("two")
    assert digest_new_text(config(file)) != first


def test_the_setting_is_named_when_there_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Correct retrain\.drift\.path\.$"):
        digest_new_text(config(tmp_path / "none.txt"))
    with pytest.raises(InputError, match=r"^retrain\.drift\.path is not set"):
        digest_new_text(DriftConfig())
    (tmp_path / "rows.jsonl").write_text('{"body": "the ferry leaves"}\n' * 200)
    with pytest.raises(InputError, match=r"retrain\.drift\.text"):
        choose_texts(config(tmp_path / "rows.jsonl"), CORPUS)
