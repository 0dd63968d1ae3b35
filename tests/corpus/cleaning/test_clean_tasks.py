"""Specifies how cleaning treats the texts of tasks, and what it finds in documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.corpus.cleaning.conftest import LONG
from tests.corpus.cleaning.test_clean import cleaned, config_of, metrics, rows
from tests.corpus.own_texts import write_task_texts
from tests.ids import document_id
from textmill.config import CleanConfig
from textmill.errors import InputError


def test_a_near_duplicate_is_rejected_with_the_id_of_the_original(tmp_path: Path) -> None:
    words = [f"word{n}" for n in range(40)]
    first, other = " ".join(words), " ".join(reversed(words))
    near = first.replace("word20", "changed")
    file = tmp_path / "near.txt"
    file.write_text("\n".join([first, near, other, *(LONG.format(n) for n in range(9))]))
    config = config_of(file, near_duplicates={"enabled": True, "threshold": 0.8})
    out = cleaned(tmp_path / "out", config)
    (row,) = rows(out / "rejected")
    assert (row["text"], row["reason"]) == (near, "near_duplicate")
    assert (row["detail"], row["duplicate_of"]) == ("similarity 0.85", document_id(first))
    assert row["similarity"] == 35 / 41  # of the shingles
    files = {path.name for path in out.iterdir() if path.is_file()}
    assert files == {"metrics.json", "receipts.json"}
    assert metrics(out)["bytes_rejected_near_duplicate"] == len(near)
    assert (metrics(out)["duplicates/clusters"], metrics(out)["duplicates/largest"]) == (1, 1)
    config = config_of(file, near_duplicates={"enabled": False})
    assert metrics(cleaned(tmp_path / "all", config))["documents_kept"] == 12


def test_documents_with_text_of_test_sets_are_counted_by_task(tmp_path: Path) -> None:
    sets = {"mood": ["Was it he who rang at 10.0.0.1 in the night of that day?"], "topic": ["no"]}
    file = tmp_path / "text.txt"
    held = "I ask: was it he who rang at 10.0.0.1 in the night of that day?"
    file.write_text("\n".join([held, *(LONG.format(n) for n in range(9))]))
    config = config_of(file, decontamination={"enabled": True})
    out = cleaned(tmp_path / "out", config, write_task_texts(tmp_path / "texts", test=sets))
    (row,) = rows(out / "rejected")
    assert (row["reason"], row["detail"][:20]) == ("contaminated", "mood: was it he who ")
    assert row["text"] == held.replace("10.0.0.1", "[IP]")
    assert row["contaminates"] == ["mood"]
    found = metrics(out)
    assert (found["rejected_contaminated"], found["documents_kept"]) == (1, 9)
    assert (found["contaminated_mood"], found["contaminated_topic"]) == (1, 0)
    assert found["contaminated_mood/text"] == 1


def test_texts_of_tasks_are_a_source_of_their_own_that_configured_ones_precede(
    tmp_path: Path, sentences: Path
) -> None:
    held_out = "Was it he who rang in the night of that day, or was it not he?"
    train = {
        "mood": [
            LONG.format(1),
            "A text of its own, by ann@example.com.",
            f"He asks: {held_out}",
            "too short",
        ],
        "topic": ["A text of its own, by ann@example.com.", "Another text of this task alone."],
    }
    texts = write_task_texts(tmp_path / "texts", train, {"mood": [held_out]})
    config = config_of(sentences, decontamination={"enabled": True})
    out = cleaned(tmp_path / "out", config, texts)
    kept = [row for split in ("train", "validation") for row in rows(out / split)]
    own = {row["text"]: row["source"] for row in kept if row["source"] != "many"}
    assert own == {
        "A text of its own, by [EMAIL].": "task:mood",
        "Another text of this task alone.": "task:topic",
    }
    assert {row["language"] for row in kept} == {"en"}
    rejected = {row["text"]: (row["source"], row["reason"]) for row in rows(out / "rejected")}
    assert rejected == {
        LONG.format(1): ("task:mood", "exact_duplicate"),
        f"He asks: {held_out}": ("task:mood", "contaminated"),
        "too short": ("task:mood", "too_short"),
        "A text of its own, by [EMAIL].": ("task:topic", "exact_duplicate"),
    }
    found = metrics(out)
    assert (found["documents_kept/many"], found["documents_kept/task:mood"]) == (40, 1)
    assert (found["redacted_email"], found["redacted_email/task:mood"]) == (1, 1)


def test_a_near_copy_of_a_test_text_does_not_enter_the_corpus(tmp_path: Path) -> None:
    held_out = " ".join(f"word{n}" for n in range(20))
    near = held_out.replace("word2 ", "other ").replace("word18", "another")
    texts = write_task_texts(tmp_path / "texts", {"mood": [near]}, {"mood": [held_out]})
    with pytest.raises(InputError, match="rejected .1 as contaminated.* the training texts of the"):
        cleaned(tmp_path / "out", config_of(decontamination={"enabled": True}), texts)


def test_texts_of_tasks_may_be_the_whole_corpus(tmp_path: Path) -> None:
    texts = write_task_texts(tmp_path / "texts", {"mood": [LONG.format(n) for n in range(40)]})
    found = metrics(cleaned(tmp_path / "out", config_of(), texts))
    assert (found["documents_kept"], found["documents_kept/task:mood"]) == (40, 40)


def test_the_language_of_each_document_is_identified_and_filtered_by(tmp_path: Path) -> None:
    german = [f"Dies ist der {n}. Satz in deutscher Sprache." for n in range(9)]
    english = [f"This is sentence number {n} in the English language." for n in range(9)]
    (tmp_path / "mixed.txt").write_text(
        "\n".join([*german, *english, "第一句话是用中文写的，后面没有别的句子，这是最后一句。"])
    )
    source = {"name": "mixed", "path": str(tmp_path / "mixed.txt"), "documents": "line"}
    config = CleanConfig.model_validate(
        {
            "sources": [source | {"language": "auto"}],
            "languages": ["de", "en"],
            "validation_share": 0.3,
        }
    )
    out = cleaned(tmp_path / "out", config)
    kept = {row["text"]: row["language"] for row in rows(out / "train") + rows(out / "validation")}
    assert kept == dict.fromkeys(german, "de") | dict.fromkeys(english, "en")
    (row,) = rows(out / "rejected")
    assert (row["reason"], row["detail"]) == ("language", "zh")
    found = metrics(out)
    assert (found["language_de"], found["language_en/mixed"]) == (9, 9)
    assert found["rejected_language"] == 1


def test_the_main_content_of_pages_is_kept_and_pages_without_are_rejected(tmp_path: Path) -> None:
    def page(n: int) -> str:
        article = "".join(f"<p>{LONG.format(10 * n + i)} Use &lt;b&gt;.</p>" for i in range(5))
        return f"<html><body><nav><a href='/'>Home</a></nav><article>{article}</article>"

    folder = tmp_path / "site"
    folder.mkdir()
    for n in range(8):
        (folder / f"{n}.html").write_text(page(n))
    (folder / "empty.html").write_text("")
    rows_of = [page(8), "<div>" * 100_000 + LONG, None, "<p>plain &amp; short</p>"]
    (folder / "more.jsonl").write_text("\n".join(json.dumps({"text": row}) for row in rows_of))
    sources = [{"name": "site", "path": str(folder), "html": True, "language": "en"}]
    config = CleanConfig.model_validate(
        {"sources": sources, "validation_share": 0.3, "max_bad_share": 0.5}
    )
    out = cleaned(tmp_path / "out", config)
    kept = rows(out / "train") + rows(out / "validation")
    expected = [
        "\n".join(f"{LONG.format(10 * n + i)} Use <b>." for i in range(5)) for n in range(9)
    ]
    assert sorted(row["text"] for row in kept) == sorted(expected)
    assert [(r["file"], r["line"], r["reason"], r["detail"]) for r in rows(out / "rejected")] == [
        ("empty.html", 1, "no_main_content", "the page is empty"),
        ("more.jsonl", 2, "no_main_content", "elements nested 100,002 > 255 deep"),
        ("more.jsonl", 3, "bad_record", "column 'text' is empty (null)"),
        ("more.jsonl", 4, "too_short", "13 characters"),
    ]
    found = metrics(out)
    assert (found["extracted_html"], found["rejected_no_main_content"]) == (9, 2)
    assert (found["stripped_html"], found["documents_read"]) == (0, 13)


def test_repeated_lines_are_removed_and_written_as_examples(tmp_path: Path) -> None:
    footer = "All rights reserved, call 10.0.0.1 for more."
    texts = [f"{LONG.format('x' * n)}\n{footer}" for n in range(1, 21)]
    texts += [f"Too short.\n{footer}", texts[5], LONG.format("xxx")]
    file = tmp_path / "pages.jsonl"
    file.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    config = config_of(file, repeated_lines={"enabled": True, "max_documents": 2})
    out = cleaned(tmp_path / "out", config)
    kept = rows(out / "train") + rows(out / "validation")
    safe = footer.replace("10.0.0.1", "[IP]")
    expected = [f"{LONG.format('x' * n)}\n{safe}" for n in (1, 2)]
    expected += [LONG.format("x" * n) for n in range(3, 21)]
    assert sorted(row["text"] for row in kept) == sorted(expected)
    assert all(row["doc_id"] == document_id(row["text"]) for row in kept)
    assert [(r["line"], r["reason"], r["detail"], r["text"]) for r in rows(out / "rejected")] == [
        (3, "repeated_line", "an example", safe),
        (21, "repeated_lines", "1 lines removed, 10 characters are left", f"Too short.\n{safe}"),
        (22, "exact_duplicate", "", texts[5].replace(footer, safe)),
        (23, "exact_duplicate", "", LONG.format("xxx")),
    ]
    copies = [f"{LONG.format('x' * 6)}\n{safe}", LONG.format("xxx")]
    duplicates_of = [row["duplicate_of"] for row in rows(out / "rejected")]
    assert duplicates_of == [None, None, *map(document_id, copies)]
    found = metrics(out)
    assert (found["dropped_repeated_lines"], found["rejected_repeated_lines"]) == (18, 1)
    rejected = sum(
        n for name, n in found.items() if name.startswith("rejected") and "/" not in name
    )
    assert found["documents_kept"] + rejected == found["documents_read"] == 23


def test_near_duplicates_are_compared_without_repeated_lines(tmp_path: Path) -> None:
    footer = "\n".join(" ".join(f"footer{n}word{i}" for i in range(30)) for n in "abcde")
    texts = [" ".join(f"doc{chr(97 + n)}word{i}" for i in range(20)) for n in range(12)]
    file = tmp_path / "pages.jsonl"
    file.write_text("\n".join(json.dumps({"text": f"{text}\n{footer}"}) for text in texts))
    near = {"enabled": True}
    with pytest.raises(InputError, match="11 as near duplicate"):
        cleaned(tmp_path / "with", config_of(file, near_duplicates=near))
    config = config_of(file, near_duplicates=near, repeated_lines={"enabled": True})
    out = cleaned(tmp_path / "out", config)
    kept = rows(out / "train") + rows(out / "validation")
    assert {row["text"].split("\n")[0] for row in kept} == {texts[0], *texts[3:]}
    assert metrics(out)["dropped_repeated_lines"] == 9 * 5
