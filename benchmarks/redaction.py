"""Speed of redaction on public and adversarial texts, and its scores on labelled texts.

    python benchmarks/redaction.py --data FOLDER

FOLDER has gutenberg/, zh_text/, ag_news/ and web_messy/. Times are CPU time of one process: of
redaction alone, and of the complete cleaning of a text, including redaction.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import reduce
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.safety.labelled import SETS, read_labelled, scores
from textmill.config import CorpusConfig, RedactionConfig, SourceConfig
from textmill.corpus.cleaning.repair import cleaning_steps
from textmill.corpus.reading.sources import RawDocument, read_documents
from textmill.safety.redaction import redact

PARAGRAPHS = {"documents": "paragraph", "join_chars": 1500}
SOURCES: dict[str, dict[str, object]] = {
    "gutenberg": {"path": "gutenberg/train.txt.gz", **PARAGRAPHS},
    "zh_text": {"path": "zh_text/train.txt", **PARAGRAPHS},
    "ag_news": {"path": "ag_news/train.jsonl.gz"},
    "newsgroups": {"path": "web_messy/newsgroups.jsonl.gz"},
}
CONFIG = RedactionConfig()
REPEATED = ("1/2/", "12 34 ", "2125550147 ", "4111 1111 1111 1112 ", "a@b.", "&#64;", "(at) ")
REPEATED_CHARS = 100_000


def main() -> None:
    """Measure and print, as rows of a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data
    print("| texts | MB | redaction, MB/s | all cleaning, MB/s | found |\n|---|---|---|---|---|")
    for name, fields in SOURCES.items():
        measure(name, {**fields, "path": str(folder / str(fields["path"]))})
    print("\n| repeated | µs per character |\n|---|---|")
    for unit in REPEATED:
        text = unit * (REPEATED_CHARS // len(unit))
        taken = min(seconds(lambda text=text: redact(text, CONFIG)) for _ in range(3))
        print(f"| `{unit}` | {taken / len(text) * 1e6:.2f} |")
    for name in SETS:
        print(f"\n| kind ({name}.txt) | form | recall | precision | expected | found |")
        print("|---|---|---|---|---|---|")
        for (kind, language), score in sorted(scores(read_labelled(name), CONFIG).items()):
            recall = f"{score.recall:.3f}" if score.expected else ""
            row = f"{recall} | {score.precision:.3f} | {score.expected} | {score.found}"
            print(f"| {kind} | {language} | {row} |")


def measure(name: str, fields: dict[str, object]) -> None:
    """Print the speeds on one source."""
    source = SourceConfig.model_validate({"name": name, **fields})
    texts = [item.text for item in read_documents(source) if isinstance(item, RawDocument)]
    corpus = CorpusConfig(sources=(source,))
    megabytes = sum(len(text.encode(errors="replace")) for text in texts) / 1e6
    found: Counter[str] = Counter()
    changes = cleaning_steps(corpus).values()

    def cleaned_texts() -> list[str]:
        return [reduce(lambda text, change: change(text), changes, text) for text in texts]

    cleaned = cleaned_texts()
    alone = seconds(lambda: [found.update(redact(text, CONFIG)[1]) for text in cleaned])
    cleaning = seconds(cleaned_texts)
    listed = ", ".join(f"{count} {kind}" for kind, count in found.items() if count) or "nothing"
    speeds = f"{megabytes / alone:.1f} | {megabytes / (alone + cleaning):.1f}"
    print(f"| {name} | {megabytes:.2f} | {speeds} | {listed} |", flush=True)


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of a function, in seconds."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
