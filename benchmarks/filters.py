"""Scores of the shipped filters on labelled sentences, false alarms on real text, and speed.

    python benchmarks/filters.py [--held-out] [--show N] [--text NAME=FILE[:COLUMN]]...

The labelled sentences are those of tests/safety/filtering/labelled.txt: the half that lists are
developed on, or with --held-out the other half. A file of --text is JSON Lines with a column, or
text with a sentence or paragraph in each line, possibly gzipped; what is found in it counts as a
false alarm, so --show prints the first findings of each category to be judged by a person.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.safety.filtering.labelled import NONE, Score, read_labelled, scores, shipped_filter
from textmill.safety.filtering.content_filter import ContentFilter

PIECE_CHARS = 4
"""Characters of a piece of a stream, about those of a token."""
STREAMED_CHARS = 200_000
SHOWN_CHARS = 40


def main() -> None:
    """Measure and print, as rows of Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--text", action="append", default=[], metavar="NAME=FILE[:COLUMN]")
    given = parser.parse_args()
    begin = time.process_time()
    content = shipped_filter()
    content.check("warm", "output")
    print(f"Built in {time.process_time() - begin:.2f} s of CPU time.\n")
    print_scores(content, given.held_out)
    print("\n| text | lines | MB | findings per 1,000 lines | by category | MB/s |")
    print("|---|---|---|---|---|---|")
    shown = [row for text in given.text for row in measure(text, content, given.show)]
    print("\n" + "\n".join(shown))


def print_scores(content: ContentFilter, is_held_out: bool) -> None:
    """Print precision and recall by language and category, with 95 % intervals (Wilson)."""
    sentences = [one for one in read_labelled() if one.is_held_out == is_held_out]
    by_category = scores(sentences, content)
    for (language, category), score in [*by_category.items()]:
        if category != NONE:
            total = by_category.setdefault((language, "together"), Score())
            total.expected += score.expected
            total.found += score.found
            total.right += score.right
    print("| language | category | sentences | recall | precision |\n|---|---|---|---|---|")
    for (language, category), score in sorted(by_category.items()):
        if category == NONE:
            continue
        recall = interval(score.right, score.expected)
        precision = interval(score.right, score.found)
        print(f"| {language} | {category} | {score.expected} | {recall} | {precision} |")
    for language in sorted({one.language for one in sentences}):
        harmless = [one for one in sentences if (one.language, one.category) == (language, NONE)]
        alarms = sum(bool(content.check(one.text, "output").decisions) for one in harmless)
        print(f"\nFalse alarms on harmless sentences ({language}): {alarms} of {len(harmless)}.")


def interval(count: int, total: int) -> str:
    """Return a share with its 95 % interval."""
    if not total:
        return ""
    low, high = binomtest(count, total).proportion_ci(method="wilson")
    return f"{count / total:.2f} ({low:.2f} to {high:.2f})"


def measure(given: str, content: ContentFilter, n_shown: int) -> Iterator[str]:
    """Print false alarms and speed on a text; yield what was found, to be judged."""
    name, _, place = given.partition("=")
    lines = [line for line in read_lines(place) if line.strip()]
    text = "\n".join(lines)
    counts: Counter[str] = Counter()
    found: dict[str, Counter[str]] = defaultdict(Counter)
    begin = time.process_time()
    for line in lines:
        for one in content.check(line, "output").decisions:
            counts[one.category] += 1
            found[one.category][f"{one.language}: {line[one.start : one.end][:SHOWN_CHARS]}"] += 1
    seconds = time.process_time() - begin
    megabytes = len(text.encode(errors="replace")) / 1e6
    listed = ", ".join(f"{count} {category}" for category, count in counts.most_common())
    rate = 1000 * counts.total() / len(lines)
    print(
        f"| {name} | {len(lines):,} | {megabytes:.2f} | {rate:.2f} | {listed or 'none'} "
        f"| {megabytes / seconds:.2f}; as a stream {streamed_speed(text, content):.3f} |",
        flush=True,
    )
    for category, texts in found.items():
        if n_shown:
            several = ", ".join(f"{what} ({n})" for what, n in texts.most_common(n_shown))
            yield f"{name}, {category}: {several}"


def streamed_speed(text: str, content: ContentFilter) -> float:
    """Return the speed on the beginning of a text in pieces of the size of tokens, in MB/s."""
    text = text[:STREAMED_CHARS]
    begin = time.process_time()
    for at in range(0, len(text), 4 * 1024):  # outputs of about a thousand tokens
        stream = content.stream()
        output = text[at : at + 4 * 1024]
        for start in range(0, len(output), PIECE_CHARS):
            stream.feed(output[start : start + PIECE_CHARS])
        stream.finish()
    return len(text.encode(errors="replace")) / 1e6 / (time.process_time() - begin)


def read_lines(place: str) -> Iterator[str]:
    """Yield the lines of a text, or the values of a column."""
    name, _, column = place.partition(":")
    open_text = gzip.open if name.endswith(".gz") else open
    with open_text(name, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield str(json.loads(line)[column]) if column else line.rstrip("\n")


if __name__ == "__main__":
    main()
