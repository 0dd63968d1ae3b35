"""Specifies the selection of new text to measure drift on, and its cleaning."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.ids import document_id
from textmill.config import CorpusConfig, DriftConfig
from textmill.corpus.cleaning.new_text import choose_texts, digest_new_text
from textmill.errors import InputError

CORPUS = CorpusConfig.model_validate({"sources": [{"name": "own", "path": "x"}], "min_chars": 9})


def config(path: Path | str, **further: object) -> DriftConfig:
    return DriftConfig.model_validate({"path": str(path), "documents": "line"} | further)


def test_documents_are_cleaned_like_the_corpus(tmp_path: Path) -> None:
    file = tmp_path / "new.txt"
    file.write_text("<b>caf\u00c3\u00a9 au lait</b>\nshort\nask mara@example.com today\n")
    found = choose_texts(config(file), CORPUS)
    assert set(found.texts) == {"café au lait", "ask [EMAIL] today"}
    assert found.n_rejected == 1


def corpus(*languages: str, **further: object) -> CorpusConfig:
    sources = [{"name": f"s{i}", "path": "x", "language": x} for i, x in enumerate(languages)]
    return CorpusConfig.model_validate({"sources": sources, **further})


def test_documents_rejected_by_quality_filters_are_not_measured(tmp_path: Path) -> None:
    file = tmp_path / "new.txt"
    good = "The ferry left late, and the harbour was quiet that day. Nobody minded. It was warm."
    file.write_text(f"{good}\n{'buy now ' * 40}\n{{lorem ipsum}} for the harbour and that day.\n")
    quality = {"enabled": True, "gopher_quality": {"min_words": 5}, "fineweb": {"enabled": False}}
    found = choose_texts(config(file), corpus("en", quality=quality))
    assert (found.texts, found.n_rejected) == ([good], 2)
    assert len(choose_texts(config(file), corpus("en")).texts) == 3


@pytest.mark.parametrize(
    ("languages", "n_kept"), [(("en",), 2), (("auto",), 1), (("en", "zh"), 1), (("de",), 0)]
)
def test_new_text_is_in_the_language_of_all_sources_or_else_in_that_identified(
    tmp_path: Path, languages: tuple[str, ...], n_kept: int
) -> None:
    file = tmp_path / "new.txt"
    chinese = "我昨天在图书馆里看了很多关于历史的书，非常有意思。"
    file.write_text(f"The harbour was quiet, and nobody minded the rain.\n{chinese}\n")
    found = choose_texts(config(file), corpus(*languages, languages=["en"]))
    assert (len(found.texts), found.n_rejected) == (n_kept, 2 - n_kept)


def test_near_duplicates_and_contamination_are_not_filtered(tmp_path: Path) -> None:
    lines = [
        f"the ferry number {i} leaves the harbour at noon every day of the year" for i in "abc"
    ]
    file = tmp_path / "new.txt"
    file.write_text("\n".join(lines))
    on = {name: {"enabled": True} for name in ("near_duplicates", "decontamination")}
    assert len(choose_texts(config(file), corpus("en", **on)).texts) == 3


def test_a_text_counts_once_and_the_choice_depends_on_the_texts_alone(tmp_path: Path) -> None:
    lines = [f"the ferry number {i}" for i in range(50)]
    (tmp_path / "a.txt").write_text("\n".join(lines + lines))
    random.Random(1).shuffle(lines)
    (tmp_path / "b.txt").write_text("\n".join(lines))
    first = choose_texts(config(tmp_path / "a.txt", max_documents=20), CORPUS).texts
    assert len(set(first)) == 20
    assert first == choose_texts(config(tmp_path / "b.txt", max_documents=20), CORPUS).texts
    assert first == sorted(lines, key=document_id)[:20]


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    file = tmp_path / "new.txt"
    file.write_text("one")
    first = digest_new_text(config(file))
    file.write_text("two")
    assert digest_new_text(config(file)) != first


def test_the_error_for_missing_text_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Correct retrain\.drift\.path\.$"):
        digest_new_text(config(tmp_path / "none.txt"))
    with pytest.raises(InputError, match=r"^retrain\.drift\.path is not set"):
        digest_new_text(DriftConfig())
    (tmp_path / "rows.jsonl").write_text('{"body": "the ferry leaves"}\n' * 200)
    with pytest.raises(InputError, match=r"retrain\.drift\.text"):
        choose_texts(config(tmp_path / "rows.jsonl"), CORPUS)
