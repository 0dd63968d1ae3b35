"""Accuracy of encoding detection: by textmill, and by libraries alone.

    python benchmarks/encodings.py DATA [TEXTS]

DATA has the public data sets of the reported results: `gutenberg`, `web_messy`, `multi30k`,
`multi30k_fr`, `cmrc2018` and `zh_text`. TEXTS has further UTF-8 texts, named TAG.txt by language,
such as ru.txt. Random excerpts are encoded; an answer is right if the bytes decode to the same text
with it, whatever its name. Then UTF-8 is corrupted, a byte or a character per 2,000 bytes, and
should still be detected as UTF-8.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import chardet
from charset_normalizer import from_bytes

from textmill.corpus.reading.charsets import UTF8, detect
from textmill.corpus.reading.lines import read_lines
from textmill.corpus.reading.records import Record, read_records

SIZES = {"sentence": 60, "two lines": 150, "paragraph": 500, "file": 20_000}
"""Number of characters of an excerpt."""
N_PIECES = {"sentence": 40, "two lines": 40, "paragraph": 40, "file": 10}
WESTERN = ("cp1252", "utf-16-le", "utf-16-be")
CENTRAL = ("cp1250", "iso8859-2")
CHINESE = ("gb18030", "utf-16-le", "utf-16-be")
ENCODINGS = {
    **dict.fromkeys(("en", "en-web", "de", "fr"), WESTERN),
    **dict.fromkeys(("zh", "lzh"), CHINESE),
    **dict.fromkeys(("es", "it", "pt", "sv"), ("cp1252",)),
    **dict.fromkeys(("pl", "cs", "hu"), CENTRAL),
    "ru": ("koi8-r", "cp1251", "cp866", "iso8859-5", "utf-16-le"),
    "uk": ("koi8-u", "cp1251", "utf-16-le"),
    "ja": ("cp932", "euc_jp", "utf-16-le", "utf-16-be"),
    "zh-Hant": ("cp950", "utf-16-le"),
    "ko": ("cp949", "utf-16-le"),
    "el": ("cp1253",),
    "tr": ("cp1254",),
    "he": ("cp1255",),
    "ar": ("cp1256",),
}


@dataclass(frozen=True)
class Case:
    """An excerpt of text in an encoding."""

    language: str
    encoding: str
    size: str
    text: str
    content: bytes


def column(file: Path, name: str) -> str:
    """Return the distinct texts of a column, one per line."""
    records = read_records(file, {name: "the benchmark"})
    return "\n".join({str(r.values[name]): None for r in records if isinstance(r, Record)})


def texts_of(data: Path, more: Path | None) -> dict[str, str]:
    """Return the text of each language."""
    found = {
        "en": b"".join(
            line for _, line, _ in read_lines(data / "gutenberg/validation.txt")
        ).decode(),
        "en-web": column(data / "web_messy/pages.jsonl.gz", "article_text"),
        "de": column(data / "multi30k/train.jsonl.gz", "target"),
        "fr": column(data / "multi30k_fr/train.jsonl.gz", "target"),
        "zh": column(data / "cmrc2018/validation.jsonl.gz", "context"),
        "lzh": b"".join(
            line for _, line, _ in read_lines(data / "zh_text/validation.txt")
        ).decode(),
    }
    for file in sorted(more.glob("*.txt")) if more else ():
        found[file.stem] = file.read_text(encoding=UTF8)
    return found


def cases_of(texts: dict[str, str]) -> Iterator[Case]:
    """Yield excerpts of all texts in all their encodings, except pure ASCII ones.

    Characters that do not exist in an encoding are removed.
    """
    draw = random.Random(0)
    for language, text in texts.items():
        for encoding in ENCODINGS[language]:
            for size, n_chars in SIZES.items():
                found = 0
                for _ in range(20 * N_PIECES[size]):
                    at = draw.randrange(max(1, len(text) - n_chars))
                    content = text[at : at + n_chars].encode(encoding, "ignore")
                    if content.isascii() and not encoding.startswith("utf-16"):
                        continue
                    yield Case(language, encoding, size, content.decode(encoding), content)
                    found += 1
                    if found == N_PIECES[size]:
                        break


def with_textmill(content: bytes) -> str | None:
    """Return the encoding with which textmill would read a file."""
    return detect(content, is_whole=True)


def with_charset_normalizer(content: bytes) -> str | None:
    """Return the best answer of charset-normalizer, as used by requests."""
    best = from_bytes(content).best()
    return best.encoding if best else None


def with_chardet(content: bytes) -> str | None:
    """Return the answer of chardet among all encodings, whatever its confidence."""
    name: str | None = chardet.detect(content)["encoding"]
    return name


def outcome(case: Case, found: str | None) -> str:
    """Return whether an answer is right, wrong or none."""
    if found is None:
        return "none"
    try:
        return "right" if case.content.decode(found) == case.text else "wrong"
    except (LookupError, UnicodeDecodeError):
        return "wrong"


def score(
    name: str, ask: Callable[[bytes], str | None], cases: list[Case], *, in_detail: bool
) -> None:
    """Print the number of right answers by size, and optionally by encoding."""
    ask(cases[0].content)
    began = time.process_time()
    found = [ask(case.content) for case in cases]
    seconds = time.process_time() - began
    print(f"{name}: {1000 * seconds / len(cases):.2f} ms of CPU time each")
    counts: Counter[tuple[str, ...]] = Counter()
    mistakes: Counter[str] = Counter()
    for case, answer in zip(cases, found, strict=True):
        result = outcome(case, answer)
        counts[(case.size, result)] += 1
        counts[(case.language, case.encoding, case.size, result)] += 1
        if result == "wrong":
            mistakes[f"{case.language} {case.encoding} as {answer} ({case.size})"] += 1
    for size in SIZES:
        shown = ", ".join(f"{counts[(size, r)]} {r}" for r in ("right", "none", "wrong"))
        print(f"    {size} of {SIZES[size]:,} characters: {shown}")
    if in_detail:
        for language, encoding in dict.fromkeys((c.language, c.encoding) for c in cases):
            parts = [
                "/".join(
                    str(counts[(language, encoding, s, r)]) for r in ("right", "none", "wrong")
                )
                for s in SIZES
            ]
            print(f"    {language} {encoding}: {', '.join(parts)}")
    print(f"    mistakes: {dict(mistakes.most_common(8))}")


def break_up(content: bytes, draw: random.Random) -> bytes:
    """Return UTF-8 with a byte inserted, replaced or deleted per 2,000 bytes."""
    broken = bytearray(content)
    for _ in range(max(1, len(content) // 2000)):
        at = draw.randrange(len(broken))
        damage = draw.randrange(3)
        if damage == 0:
            broken[at:at] = draw.choice((b"\xff", b"\xe2\x80", b"\xc3"))
        elif damage == 1:
            broken[at] = draw.randrange(128, 256)
        else:
            non_ascii = [position for position, byte in enumerate(broken) if byte > 127]
            del broken[draw.choice(non_ascii or [at])]
    return bytes(broken)


def broken_utf8(texts: dict[str, str]) -> None:
    """Print the encodings detected for corrupted UTF-8."""
    draw = random.Random(0)
    for size in (200, 2000, 20_000):
        found: Counter[str] = Counter()
        for text in texts.values():
            for _ in range(30):
                at = draw.randrange(max(1, len(text) - size))
                found[str(with_textmill(break_up(text[at : at + size].encode(), draw)))] += 1
        print(f"corrupted UTF-8, {size:,} characters: {dict(found.most_common())}")


def main() -> None:
    """Run the benchmark on the folders named on the command line."""
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python benchmarks/encodings.py DATA [TEXTS]")
    texts = texts_of(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else None)
    cases = list(cases_of(texts))
    print(f"{len(cases)} excerpts in {len(texts)} languages")
    score("textmill", with_textmill, cases, in_detail=True)
    score("chardet", with_chardet, cases, in_detail=False)
    score("charset-normalizer", with_charset_normalizer, cases, in_detail=False)
    broken_utf8(texts)


if __name__ == "__main__":
    main()
