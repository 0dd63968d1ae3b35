"""The data page, and the data section of the report, gathered from the results of steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from textmill.config import AUTO, Config
from textmill.corpus.cleaning.filters.chain import described, in_order
from textmill.corpus.cleaning.receipts import NAME as RECEIPTS
from textmill.corpus.cleaning.receipts import read_receipts
from textmill.corpus.cleaning.rejected import rejected_examples
from textmill.corpus.cleaning.summary import REDACTED, Counts, Summary
from textmill.corpus.task_texts import source_of
from textmill.reports import corpus as data
from textmill.reports import rendering as report
from textmill.reports.logging import log_page, time_of
from textmill.safety.placeholders import PLACEHOLDERS
from textmill.steps.graph import CLEAN, EVALUATE_LM, PRETRAIN, TOKENIZER, TOKENS
from textmill.tasks.language_model.metrics import BITS_PER_BYTE
from textmill.tracking.pipeline import Pipeline
from textmill.tracking.results import Result

NAME = "data.html"
N_REJECTED = 3
"""Number of rejected documents shown for each filter."""


def log_data_page(pipeline: Pipeline, config: Config) -> str:
    """Create the data page and log it as an artifact of the parent run.

    Args:
        pipeline: the run, with at least the result of the step clean.
        config: the configuration of the run.

    Returns:
        The local file, or the URL of the artifact if the store is remote.

    Raises:
        RunError: the store cannot be read or written.
    """
    return log_page(pipeline, NAME, lambda: report.render_data(_gather(pipeline, config)))


def _gather(pipeline: Pipeline, config: Config) -> report.DataPage:
    info = pipeline.store.client.get_run(pipeline.run_id).info
    return report.DataPage(
        experiment=config.experiment,
        run_name=info.run_name,
        run_url=pipeline.url,
        date=time_of(info.start_time),
        is_sample=config.sample is not None,
        corpus=gather_corpus(config, pipeline.results),
    )


def gather_corpus(config: Config, results: Mapping[str, Result]) -> data.Corpus:
    """Return the content of the data section.

    Args:
        config: the configuration of the results.
        results: by label, at least that of the step clean.
    """
    clean = results[CLEAN.name]
    summary = summary_of(clean, config)
    total = summary.total
    receipts = read_receipts(clean.file(RECEIPTS).parent)
    names = in_order(total.rejected, config.corpus)
    return data.Corpus(
        sources=tuple(_sources(config, names, summary.sources)),
        filters=tuple(_filters(clean, names, total, config)),
        languages=_languages(total, results),
        changes={k: n for k, n in total.changes.items() if not k.startswith(REDACTED)},
        redacted=_redacted(config, total),
        tokens=_token_facts(results),
        contaminated=total.contaminated,
        lengths=_lengths(receipts),
        clusters=tuple(_cluster(item) for item in receipts["largest_clusters"]),
        cluster_sizes=_cluster_sizes(receipts["cluster_sizes"]),
        throughput=tuple(_throughput(results)),
    )


def summary_of(clean: Result, config: Config) -> Summary:
    """Return the summary of the step clean."""
    names = [source.name for source in config.corpus.sources]
    names += [source_of(task.name) for task in config.text_tasks]
    return Summary.of_metrics(clean.metrics(), names)


def _sources(
    config: Config, filters: list[str], counts: Mapping[str, Counts]
) -> Iterator[data.Source]:
    """Yield the configured sources, and the training texts of the tasks."""
    for source in config.corpus.sources:
        place = str(source.path or source.hub)
        yield _source(source.name, place, source.language == AUTO, filters, counts)
    for task in config.text_tasks:
        place = task.train if task.hub is None else f"{task.hub}, {task.train}"
        is_identified = AUTO in task.text_languages
        yield _source(source_of(task.name), place, is_identified, filters, counts)


def _source(
    name: str, place: str, is_identified: bool, filters: list[str], counts: Mapping[str, Counts]
) -> data.Source:
    own = counts[name]
    languages = {tag: count for tag, count in own.languages.items() if count}
    return data.Source(
        name=name,
        place=place,
        languages=dict(sorted(languages.items(), key=lambda item: (-item[1], item[0]))),
        documents_read=own.documents_read,
        documents_kept=own.documents_kept,
        bytes_read=own.bytes_read,
        bytes_kept=own.bytes_kept,
        rejected={name: own.rejected[name] for name in filters},
        is_identified=is_identified,
        encodings={name: files for name, files in own.encodings.items() if files},
    )


def _filters(
    clean: Result, names: list[str], counts: Counts, config: Config
) -> Iterator[data.Filter]:
    list(clean.files("rejected/*"))  # verifies them
    examples = rejected_examples(clean.folder, N_REJECTED)
    descriptions = described(config.corpus)
    for name in names:
        yield data.Filter(
            name=name,
            documents=counts.rejected[name],
            n_bytes=counts.rejected_bytes.get(name),
            examples=tuple(
                data.Rejected(
                    place=f"{row.source}, {row.file}:{row.line}",
                    detail=row.rejection.detail,
                    text=row.text,
                )
                for row in examples.get(name, ())
            ),
            description=descriptions.get(name, ""),
        )


def _languages(counts: Counts, results: Mapping[str, Result]) -> tuple[data.Language, ...]:
    tokens = results[TOKENS.name].metrics() if TOKENS.name in results else {}
    tested = results[EVALUATE_LM.name].metrics() if EVALUATE_LM.name in results else {}
    found = []
    for tag, n_bytes in counts.bytes_by_language.items():
        by_word = tokens.get(f"validation_tokens_per_word/{tag}")
        by_character = tokens.get(f"validation_tokens_per_character/{tag}")
        found.append(
            data.Language(
                tag=tag,
                documents=counts.languages[tag],
                n_bytes=n_bytes,
                bytes_per_token=tokens.get(f"validation_bytes_per_token/{tag}"),
                tokens_per_word=by_character if by_word is None else by_word,
                is_by_character=by_word is None,
                bits_per_byte=tested.get(f"{BITS_PER_BYTE}/{tag}"),
                unigram_bits_per_byte=tested.get(f"unigram/{BITS_PER_BYTE}/{tag}"),
            )
        )
    return tuple(found)


def _redacted(config: Config, counts: Counts) -> dict[str, int]:
    """Return the number of replacements by placeholder; empty if redaction is disabled."""
    redaction = config.corpus.redaction
    kinds = redaction.kinds if redaction.enabled else ()
    return {PLACEHOLDERS[kind]: counts.changes[f"{REDACTED}{kind}"] for kind in kinds}


def _token_facts(results: Mapping[str, Result]) -> dict[str, str]:
    facts: dict[str, str] = {}
    if TOKENIZER.name in results:
        facts["vocabulary"] = f"{results[TOKENIZER.name].metrics()['vocab_size']:,.0f}"
    if TOKENS.name in results:
        tokens = results[TOKENS.name].metrics()
        facts["training tokens"] = f"{tokens['train_tokens']:,.0f}"
        facts["validation tokens"] = f"{tokens['validation_tokens']:,.0f}"
        facts["bytes per token"] = f"{tokens['validation_bytes_per_token']:.2f}"
        facts["tokens per byte"] = f"{1 / tokens['validation_bytes_per_token']:.3f}"
    if PRETRAIN.name in results:
        numbers = results[PRETRAIN.name].metrics()
        facts["parameters of the model"] = f"{numbers['parameters']:,.0f}"
        facts["tokens seen in pretraining"] = f"{numbers['tokens_seen']:,.0f}"
    return facts


def _lengths(receipts: Mapping[str, Any]) -> data.Histogram | None:
    """Return the histogram from the first to the last non-empty bin; None if all are empty."""
    edges, counts = receipts["length_edges"], receipts["lengths"]
    filled = [bin_index for bin_index, count in enumerate(counts[:-1]) if count]
    if not filled:
        return None
    first, last = filled[0], filled[-1]
    return data.Histogram(tuple(edges[first : last + 2]), tuple(counts[first : last + 1]))


def _cluster(item: Mapping[str, Any]) -> data.Cluster:
    kept = item["kept"]
    return data.Cluster(
        text=kept["text"] if kept else None,
        source=kept["source"] if kept else "",
        exact=item["exact_duplicate"],
        near=item["near_duplicate"],
        copy=item["copy"]["text"],
        copy_source=item["copy"]["source"],
        similarity=item["copy"]["similarity"],
    )


def _cluster_sizes(sizes: list[list[int]]) -> dict[str, int]:
    """Return the numbers of clusters with 1, 2 to 3, 4 to 7, … duplicates, if not 0."""
    found: dict[int, int] = {}
    for size, n_clusters in sizes:
        low = 1 << (size.bit_length() - 1)
        found[low] = found.get(low, 0) + n_clusters
    return {
        f"{low:,}" if low == 1 else f"{low:,}–{2 * low - 1:,}": n_clusters
        for low, n_clusters in sorted(found.items())
    }


def _throughput(results: Mapping[str, Result]) -> Iterator[data.Throughput]:
    """Yield the throughput of the steps when they were computed."""
    counts = Summary.of_metrics(results[CLEAN.name].metrics()).total
    kept = counts.bytes_kept
    sizes = {CLEAN.name: counts.bytes_read, TOKENIZER.name: kept, TOKENS.name: kept}
    for label, n_bytes in sizes.items():
        if label in results:
            # Times are in the manifest, as the digest of a result must not depend on them.
            manifest = results[label].manifest
            if "seconds" in manifest:
                yield data.Throughput(label, int(n_bytes), manifest["seconds"])
            stages = manifest.get("stages", {}).items()
            for stage, times in sorted(stages, key=lambda item: -item[1]["seconds"]):
                yield data.Throughput(stage, int(times["bytes"]), times["seconds"], is_stage=True)
