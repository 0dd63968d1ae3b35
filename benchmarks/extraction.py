"""Quality of main content extraction from web pages, and of mojibake repair.

    python benchmarks/extraction.py PAGES.jsonl[.gz] [MOJIBAKE.jsonl]

PAGES has the columns `html` and `article_text`, the reference; MOJIBAKE has `text`, `fixed` and
`set`. Precision, recall and F1 are computed on bags of words, and averaged over pages. The baseline
is all visible text of the page: its text without scripts and styles.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from ftfy.fixes import uncurl_quotes
from lxml.html import document_fromstring

from textmill.config import HtmlConfig
from textmill.corpus.cleaning.repair import repair_unicode
from textmill.corpus.reading.html import NoMainContent, main_content
from textmill.corpus.reading.records import Record, read_records
from textmill.corpus.words import word_pattern


def rows_of(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield some columns of a file."""
    for record in read_records(file, dict.fromkeys(columns, "the benchmark")):
        if isinstance(record, Record):
            yield tuple(str(record.values[column]) for column in columns)


def words_of(text: str) -> Counter[str]:
    """Return the counts of the words of a text, without punctuation."""
    words = (match[0] for match in word_pattern().finditer(text.lower()))
    return Counter(word for word in words if any(map(str.isalnum, word)))


def score(found: str, reference: str) -> tuple[float, float, float]:
    """Return precision, recall and F1 of the words found."""
    ours, wanted = words_of(found), words_of(reference)
    common = (ours & wanted).total()
    precision = common / max(1, ours.total())
    recall = common / max(1, wanted.total())
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def visible_text(page: str) -> str:
    """Return all text of a page except scripts and styles."""
    tree = document_fromstring(page.encode(errors="replace"))
    parts = tree.xpath("//body//text()[not(ancestor::script or ancestor::style)]")
    return " ".join(map(str, parts))


def extractor(favor: str) -> Callable[[str], str]:
    """Return the extraction of the step `clean`; it returns an empty text for rejected pages."""
    config = HtmlConfig.model_validate({"favor": favor})

    def extract(page: str) -> str:
        try:
            return main_content(page, config)
        except NoMainContent:
            return ""

    return extract


def extraction(file: Path) -> None:
    """Print the scores of extraction and of the baseline."""
    pages = list(rows_of(file, ("html", "article_text")))
    size = sum(len(page.encode()) for page, _ in pages) / 1e6
    print(f"{len(pages)} pages, {size:.1f} MB; CPU time of one process")
    extractors = {f"favor: {name}": extractor(name) for name in ("precision", "balanced", "recall")}
    for name, extract in (extractors | {"all visible text": visible_text}).items():
        extract(pages[0][0])
        began = time.process_time()
        texts = [extract(page) for page, _ in pages]
        speed = size / (time.process_time() - began)
        scores = [score(text, wanted) for text, (_, wanted) in zip(texts, pages, strict=True)]
        means = [sum(column) / len(scores) for column in zip(*scores, strict=True)]
        none = sum(not text for text in texts)
        shown = ", ".join(f"{n} {v:.4f}" for n, v in zip(("P", "R", "F1"), means, strict=True))
        print(f"{name}: {shown}; {none} without text; {speed:.1f} MB/s")


def mojibake(file: Path) -> None:
    """Print the number of correctly repaired texts of each set.

    Curly quotation marks are kept here; the references have straight ones.
    """
    right: Counter[str] = Counter()
    right_except_quotes: Counter[str] = Counter()
    cases: Counter[str] = Counter()
    for text, fixed, name in rows_of(file, ("text", "fixed", "set")):
        repaired = repair_unicode(text)
        cases[name] += 1
        right[name] += repaired == fixed
        right_except_quotes[name] += uncurl_quotes(repaired) == uncurl_quotes(fixed)
    for name, count in cases.items():
        print(
            f"mojibake, {name}: {right[name]} of {count}; "
            f"{right_except_quotes[name]} ignoring curly quotation marks"
        )


def main() -> None:
    """Run the benchmarks on the files named on the command line."""
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python benchmarks/extraction.py PAGES.jsonl[.gz] [MOJIBAKE.jsonl]")
    extraction(Path(sys.argv[1]))
    if len(sys.argv) == 3:
        mojibake(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
