"""Specifies the step that turns sources into a corpus."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.corpus.cleaning.conftest import LONG
from tests.ids import document_id
from textmill.config import CleanConfig
from textmill.corpus.cleaning import shards
from textmill.corpus.cleaning.clean import clean
from textmill.corpus.cleaning.write import split_of
from textmill.errors import InputError
from textmill.files import digest_folder
from textmill.safety.placeholders import PLACEHOLDERS


def config_of(*paths: Path, **fields: Any) -> CleanConfig:
    sources = [
        {"name": path.stem, "path": str(path), "documents": "line", "language": "en"}
        for path in paths
    ]
    return CleanConfig.model_validate({"validation_share": 0.3, "sources": sources, **fields})


def cleaned(folder: Path, config: CleanConfig, task_texts: Path | None = None) -> Path:
    folder.mkdir()
    clean(config, {} if task_texts is None else {"task_texts": task_texts}, folder)
    return folder


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(folder.iterdir()) for row in pq.read_table(file).to_pylist()]


def metrics(out: Path) -> dict[str, int]:
    values: dict[str, int] = json.loads((out / "metrics.json").read_text())
    return values


def test_every_document_is_kept_in_the_split_of_its_id(tmp_path: Path, sentences: Path) -> None:
    out = cleaned(tmp_path / "out", config_of(sentences))
    kept = {split: rows(out / split) for split in ("train", "validation")}
    assert sorted(row["text"] for split in kept.values() for row in split) == sorted(
        LONG.format(n) for n in range(40)
    )
    for split, documents in kept.items():
        for row in documents:
            digest = hashlib.blake2b(row["text"].encode(), digest_size=16).hexdigest()
            assert row["doc_id"] == document_id(row["text"]) == digest
            assert (int(digest[:16], 16) / 2**64 < 0.3) == (split == "validation")
            assert (row["source"], row["language"]) == ("many", "en")
    assert list(documents[0]) == ["text", "source", "language", "doc_id"]
    assert metrics(out)["documents_validation"] == len(kept["validation"])


RUSSIAN = "Старый проводник рассказывал, как зимой {} дней пути были под снегом."


def test_files_in_other_encodings_are_counted_by_source(tmp_path: Path) -> None:
    for folder, names in (("a", ("utf-8", "koi8-r", "cp1251", "cp1251")), ("b", ("ascii",))):
        (tmp_path / folder).mkdir()
        for number, name in enumerate(names):
            text = LONG if name == "ascii" else RUSSIAN
            lines = [text.format(10 * number + n) for n in range(10)]
            (tmp_path / folder / f"{number}.txt").write_bytes("\n".join(lines).encode(name))
    out = cleaned(tmp_path / "out", config_of(tmp_path / "a", tmp_path / "b"))
    kept = {row["text"] for split in ("train", "validation") for row in rows(out / split)}
    assert kept == {
        text.format(n) for text, most in ((LONG, 10), (RUSSIAN, 40)) for n in range(most)
    }
    assert {name: n for name, n in metrics(out).items() if name.startswith("files_in_")} == {
        "files_in_cp1251": 2,
        "files_in_koi8-r": 1,
        "files_in_cp1251/a": 2,
        "files_in_koi8-r/a": 1,
        "files_in_cp1251/b": 0,
        "files_in_koi8-r/b": 0,
    }


def test_rejected_documents_are_written_with_the_reason(tmp_path: Path, sentences: Path) -> None:
    extra = tmp_path / "extra.jsonl"
    texts = ["short", LONG.format(1) + " ", "x" * 3000, "x" * 3000, "tiny a@b.com"]
    lines = [json.dumps({"text": text}) for text in texts] + ['{"text": "ring a@b.com']
    extra.write_text("\n".join(lines))
    out = cleaned(tmp_path / "out", config_of(sentences, extra, max_bad_share=0.5))
    expected = [
        ("short", 1, "too_short", "5 characters"),
        (LONG.format(1), 2, "exact_duplicate", ""),
        ("x" * 2000, 4, "exact_duplicate", ""),
        ("tiny [EMAIL]", 5, "too_short", "12 characters"),
        ('{"text": "ring [EMAIL]', 6, "bad_record", "not valid JSON at character 10: "),
    ]
    found = rows(out / "rejected")
    assert [
        (row["text"], row["line"], row["reason"], row["detail"][: len(want[3])])
        for row, want in zip(found, expected, strict=True)
    ] == expected
    assert {(row["source"], row["file"]) for row in found} == {("extra", "extra.jsonl")}
    kept = [document_id(LONG.format(1)), document_id("x" * 3000)]
    assert [row["duplicate_of"] for row in found] == [None, *kept, None, None]
    assert [row["similarity"] for row in found] == [None, 1.0, 1.0, None, None]


def test_unreadable_records_are_written_without_personal_data(
    tmp_path: Path, sentences: Path
) -> None:
    broken = tmp_path / "broken.jsonl"
    cut = "x" * 1980 + " somebody@example.com"
    lines = [
        '{"text": "bob&#64;example.com',
        '{"text": "bob\\u0040example.com',
        '{"body": "n\\n4111111111111111", "more": "bob%40example.com"}',
        '{"text": "\uff14111\u200b1111\u200b1111\u200b1111',
        f'{{"text": "{cut}',
        json.dumps({"text": LONG.format(99)}),
    ]
    broken.write_text("\n".join(lines))
    out = cleaned(tmp_path / "out", config_of(sentences, broken, max_bad_share=0.9))
    texts = [row["text"] for row in rows(out / "rejected")]
    assert texts[:4] == [
        '{"text": "[EMAIL]',
        '{"text": "[EMAIL]',
        '{"body": "n\\n[CARD]", "more": "[EMAIL]"}',
        '{"text": "[CARD]',
    ]
    assert "somebody" not in texts[4]
    assert len(texts[4]) > 1500


def test_metrics_add_up(tmp_path: Path) -> None:
    file = tmp_path / "dirty.jsonl"
    texts = [
        *(LONG.format(n) for n in range(30)),
        "<p>Some <b>HTML</b> that says enough.</p>",
        "ZÃ¼rich is a place with a lake, too.",
        "Mail a@b.com and c@d.com, or dial (212) 736-5000.",
        "The server 10.0.0.1 did not answer.",
        "The card 4111 1111 1111 1111 was declined.",
        LONG.format(1),
        "no",
    ]
    file.write_text("\n".join([*(json.dumps({"text": text}) for text in texts), "broken"]))
    out = cleaned(tmp_path / "out", config_of(file))
    found = metrics(out)
    kept = rows(out / "train") + rows(out / "validation")
    assert {name: value for name, value in found.items() if "/" not in name} == {
        "documents_read": 38,
        "documents_kept": 35,
        "documents_train": len(rows(out / "train")),
        "documents_validation": len(rows(out / "validation")),
        "bytes_read": sum(len(text.encode()) for text in texts),
        "bytes_kept": sum(len(row["text"].encode()) for row in kept),
        "rejected_bad_record": 1,
        "rejected_too_short": 1,
        "rejected_exact_duplicate": 1,
        "repaired_unicode": 1,
        "stripped_html": 1,
        **dict.fromkeys((f"redacted_{kind}" for kind in PLACEHOLDERS), 0),
        "redacted_email": 2,
        "redacted_phone": 1,
        "redacted_ip": 1,
        "language_en": 35,
        "bytes_language_en": sum(len(row["text"].encode()) for row in kept),
        "bytes_rejected_too_short": 2,
        "bytes_rejected_exact_duplicate": len(LONG.format(1)),
        "redacted_card": 1,
    }
    assert "Zürich is a place with a lake, too." in {row["text"] for row in kept}


def test_every_count_is_also_logged_per_source(tmp_path: Path) -> None:
    files = {"a": [LONG.format(n) for n in range(30)], "b": [LONG.format(1), LONG.format(31), "no"]}
    for name, texts in files.items():
        lines = [json.dumps({"text": text}) for text in texts]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    sources = [{"name": name, "path": str(tmp_path / f"{name}.jsonl")} for name in files]
    config = CleanConfig.model_validate({"sources": sources, "validation_share": 0.2})
    found = metrics(cleaned(tmp_path / "out", config))
    assert (found["documents_read/a"], found["documents_kept/a"]) == (30, 30)
    assert (found["documents_read/b"], found["documents_kept/b"]) == (3, 1)
    assert (found["rejected_too_short/b"], found["rejected_exact_duplicate/b"]) == (1, 1)
    totals = {name for name in found if "/" not in name}
    assert all(found[n] == found[f"{n}/a"] + found[f"{n}/b"] for n in totals)


def test_documents_rejected_by_quality_filters_are_written_and_lines_counted(
    tmp_path: Path,
) -> None:
    def page(n: int) -> str:
        words = [f"w{chr(97 + n)}{chr(97 + i)}" for i in range(26)]
        return "\n".join(f"The {word}rd of {word}st was {word}nd to {word}th." for word in words)

    texts = [page(n) + "\nMenu" for n in range(8)] + ["word " * 60, "Nothing but a few words."]
    file = tmp_path / "pages.jsonl"
    file.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    out = cleaned(tmp_path / "out", config_of(file, quality={"enabled": True}))
    kept = rows(out / "train") + rows(out / "validation")
    assert {row["text"] for row in kept} == {page(n) for n in range(8)}
    assert [(row["line"], row["reason"], row["detail"]) for row in rows(out / "rejected")] == [
        (9, "gopher_repetition", "top_2_gram_chars 1.776 > 0.2"),
        (10, "gopher_quality", "words 5 < 50"),
    ]
    found = metrics(out)
    assert (found["dropped_lines"], found["dropped_lines/pages"]) == (8, 8)
    assert (found["rejected_gopher_repetition"], found["rejected_gopher_quality"]) == (1, 1)
    assert (found["rejected_c4"], found["rejected_fineweb"]) == (0, 0)


def test_duplicates_are_kept_if_the_filters_are_disabled(tmp_path: Path, sentences: Path) -> None:
    sentences.write_text(sentences.read_text() + "\n" + LONG.format(1))
    config = config_of(sentences, exact_duplicates={"enabled": False})
    assert metrics(cleaned(tmp_path / "out", config))["documents_kept"] == 41


def test_the_output_does_not_depend_on_the_location_of_the_input(
    tmp_path: Path, sentences: Path
) -> None:
    moved = tmp_path / "elsewhere" / sentences.name
    moved.parent.mkdir()
    moved.write_bytes(sentences.read_bytes())
    first = cleaned(tmp_path / "first", config_of(sentences))
    second = cleaned(tmp_path / "second", config_of(moved))
    assert digest_folder(first) == digest_folder(second)


def test_shards_and_row_groups_stay_below_their_size(
    tmp_path: Path, sentences: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "_SHARD_BYTES", 400)
    monkeypatch.setattr(shards, "_ROW_GROUP_BYTES", 200)
    out = cleaned(tmp_path / "out", config_of(sentences))
    files = sorted((out / "train").iterdir())
    assert len(files) > 1
    assert [file.name for file in files] == [f"{n:05d}.parquet" for n in range(len(files))]
    for file in files:
        parquet = pq.ParquetFile(file)
        assert parquet.metadata.row_group(0).column(0).compression == "ZSTD"
        assert parquet.num_row_groups <= 2
        assert parquet.metadata.num_rows <= 12
    assert [row["text"] for row in rows(out / "train")] == [
        LONG.format(n) for n in range(40) if split_of(document_id(LONG.format(n)), 0.3) == "train"
    ]


def test_rejected_has_a_shard_even_if_nothing_is_rejected(tmp_path: Path, sentences: Path) -> None:
    out = cleaned(tmp_path / "out", config_of(sentences))
    table = pq.read_table(out / "rejected" / "00000.parquet")
    assert table.num_rows == 0
    names = ["text", "source", "file", "line", "reason", "detail"]
    assert table.column_names == [*names, "duplicate_of", "similarity", "contaminates"]


def test_the_error_of_an_empty_corpus_gives_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("too\nshort\n")
    with pytest.raises(
        InputError, match=r"corpus is empty: all 2 documents were rejected .2 as too short"
    ):
        cleaned(tmp_path / "out", config_of(tmp_path / "a.txt"))


@pytest.mark.parametrize(
    ("share", "split", "fix"), [(1e-9, "validation", "raise"), (1 - 1e-9, "train", "lower")]
)
def test_an_empty_split_is_an_error_with_the_fix(
    tmp_path: Path, sentences: Path, share: float, split: str, fix: str
) -> None:
    with pytest.raises(
        InputError, match=f"the {split} split is empty.* {fix} corpus.validation_share"
    ):
        cleaned(tmp_path / "out", config_of(sentences, validation_share=share))


def test_too_many_bad_records_stop_the_step_at_the_first_one(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(
        "\n".join([*(json.dumps({"text": LONG.format(n)}) for n in range(6)), "[]", "x"])
    )
    with pytest.raises(InputError) as caught:
        cleaned(tmp_path / "out", config_of(file, max_bad_share=0.2))
    assert str(caught.value) == (
        "source 'rows': 2 of 8 records (25.0%) cannot be read, more than "
        f"corpus.max_bad_share=0.2 allows. The first is {file}:7: a JSON value of type list, not "
        "an object. Fix the source, or raise corpus.max_bad_share."
    )
    config = config_of(file, max_bad_share=0.25, validation_share=0.5)
    assert metrics(cleaned(tmp_path / "out2", config))["rejected_bad_record"] == 2


def test_lone_surrogates_do_not_stop_the_step_and_a_cut_off_file_does(tmp_path: Path) -> None:
    lines = [json.dumps({"text": LONG.format(n) + " \ud800 " * (n % 2)}) for n in range(20_000)]
    content = gzip.compress("\n".join(lines).encode())
    file = tmp_path / "rows.jsonl.gz"
    file.write_bytes(content)
    found = metrics(cleaned(tmp_path / "out", config_of(file, repair_unicode=False)))
    assert found["documents_kept"] == found["documents_read"] == 20_000
    file.write_bytes(content[:-500])
    with pytest.raises(InputError, match=r"rows\.jsonl\.gz:\d+: the file is damaged from here on"):
        cleaned(tmp_path / "cut", config_of(file, repair_unicode=False))
