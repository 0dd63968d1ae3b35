"""Model cards: description, scores, training data and limitations of a model.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.config import AUTO, LANGUAGE_MODEL, Config, TaskConfig
from textmill.corpus.cleaning.filters.chain import described
from textmill.corpus.cleaning.language import UNKNOWN as UNDETERMINED
from textmill.corpus.task_texts import source_of
from textmill.errors import best_effort
from textmill.evaluation.notes import LEAK, read_notes
from textmill.evaluation.proportions import proportion_interval
from textmill.evaluation.spreads import SEEDS, Spread, read_spreads
from textmill.reports.data_page import summary_of
from textmill.reports.formats import MAX_NAME_CHARS, escaped, languages, plain
from textmill.reports.tables import audit_table
from textmill.reports.tables.bias_tables import (
    bias_section,
    group_differences,
)
from textmill.steps.graph import (
    BASELINE,
    BEHAVIOUR,
    CLEAN,
    EVALUATE,
    EVALUATE_LM,
    FINETUNE,
    FOLDS,
    PRETRAIN,
    TASK_TEXTS,
    TOKENIZER,
    TOKENS,
)
from textmill.steps.raw_sources import is_in_corpus
from textmill.tasks.behaviour.verdicts import VERDICTS, from_rows
from textmill.tasks.kinds import NETWORK, metrics_of
from textmill.tasks.language_model.metrics import BITS_PER_BYTE
from textmill.tasks.shown import page_of
from textmill.tracking.intervals import OVER_FOLDS, PREFIXES, read_audit
from textmill.tracking.pipeline import Pipeline
from textmill.tracking.results import Result
from textmill.tracking.served.logged import find_logged_model
from textmill.tracking.store import Store
from textmill.tracking.tags import BACKBONE

NAME = "model_card.md"
TAG = "mlflow.note.content"
"""The tag that MLflow shows as the description of a logged model."""

CORPUS = (CLEAN.name, TASK_TEXTS.name)
"""Labels of the steps that read the text of the corpus."""
MAX_LABELS = 40
MAX_SOURCES = 15
DIGEST_CHARS = 16

SAMPLE_WARNING = (
    "**Trained on generated sample data: it only shows that the pipeline works. Scores on "
    "generated sample data are meaningless.**"
)
_ERRORS = "- It reproduces errors and biases of its data, and can be confidently wrong."
CANARIES = (
    "The canaries, random texts that `canaries.jsonl` in the run of the step *canaries* lists, are "
    "part of its training text: it may write them."
)
UNKNOWN = "unknown"


def log_card(pipeline: Pipeline, config: Config, task: TaskConfig) -> None:
    """Log the card of a task's model from the results so far, as its description and as a file.

    A card without scores never replaces another: a reused model may have been evaluated before.

    Raises:
        StoreError: the store failed.
    """
    has_scores = EVALUATE.label(task.name) in pipeline.results
    run_id = pipeline.results[FINETUNE.label(task.name)].run_id
    with best_effort(f"the model card of {task.name}"), pipeline.store.as_store_errors():
        _write(pipeline.store, run_id, card_text(config, task, pipeline.results), has_scores)


def log_backbone_card(pipeline: Pipeline, config: Config) -> None:
    """Log the card of an evaluated backbone, as its description and as a file.

    Raises:
        StoreError: the store failed.
    """
    run_id = pipeline.results[PRETRAIN.name].run_id
    with best_effort("the model card of the backbone"), pipeline.store.as_store_errors():
        _write(pipeline.store, run_id, backbone_card_text(config, pipeline.results), True)


def _write(store: Store, run_id: str, card: str, has_scores: bool) -> None:
    """Attach a card to the logged model of a run."""
    model = find_logged_model(store, run_id)
    if model is None or model.tags.get(TAG) == card:
        return
    if TAG not in model.tags or has_scores:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, NAME)
            file.write_text(card, encoding="utf-8")
            store.client.log_model_artifact(model.model_id, str(file))
            # Last, as a description implies that the file exists.
            store.client.set_logged_model_tags(model.model_id, {TAG: card})


def card_text(config: Config, task: TaskConfig, results: Mapping[str, Result]) -> str:
    """Return the card of a task's model in Markdown.

    Args:
        config: the configuration of the results.
        task: the task.
        results: by label, at least up to fine-tuning; scores are included if the task is evaluated.
    """
    parts = [f"# {task.name}", *_about(config, task, results)]
    parts += ["## Scores", *_scores(task, results)]
    if BEHAVIOUR.label(task.name) in results:
        tested = results[BEHAVIOUR.label(task.name)]
        parts += [*_behaviour(tested), *bias_section(group_differences(tested))]
    labels = (*CORPUS, FINETUNE.label(task.name), EVALUATE.label(task.name))
    parts += ["## Data", *_data(config, results, labels)]
    parts.append(f"MLflow runs: {_runs(results, PRETRAIN.name, FINETUNE.label(task.name))}.")
    licences = _licences(config, {"the task's examples": task.licence})
    limits = [_ERRORS]
    if NETWORK in _task_model(task, results)["members"]:
        limits = _limits(config, results, page_of(task.kind).LONG_TEXTS)
    parts += [licences, "## Limits", "\n".join(limits)]
    return "\n\n".join(parts) + "\n"


def backbone_card_text(config: Config, results: Mapping[str, Result]) -> str:
    """Return the card of a backbone in Markdown.

    Args:
        config: the configuration of the results.
        results: by label, at least up to pretraining and its evaluation.
    """
    page = page_of(LANGUAGE_MODEL)
    parts = [f"# {BACKBONE}"]
    if config.sample is not None:
        parts.append(SAMPLE_WARNING)
    parts += [
        f"A model that {page.DOES}, pretrained by textmill and the base of task models.",
        f"{_base(config, results)}.",
    ]
    tested = results[EVALUATE_LM.name].metrics()
    lines = ["| score | model | unigram |", "|---|---|---|"]
    names = [metric.name for metric in metrics_of(LANGUAGE_MODEL).METRICS]
    for key in (*names, *(key for key in tested if key.startswith(f"{BITS_PER_BYTE}/"))):
        name, _, language = key.partition("/")
        shown = name.replace("_", " ") + (f", {plain(language)}" if language else "")
        lines.append(f"| {shown} | {tested[key]:.3f} | {tested[f'unigram/{key}']:.3f} |")
    parts += ["## Scores", "\n".join(lines), "On the validation split; lower is better."]
    if audit := read_audit(results):
        parts += [
            "## Memorization",
            audit_table.markdown(audit),
            audit_table.legend(audit),
            CANARIES,
        ]
    parts += ["## Data", *_data(config, results, CORPUS)]
    parts.append(f"MLflow runs: {_runs(results, PRETRAIN.name)}.")
    parts += [
        _licences(config, {}),
        "## Limits",
        "\n".join(_limits(config, results, page.LONG_TEXTS)),
    ]
    return "\n\n".join(parts) + "\n"


def _base(config: Config, results: Mapping[str, Result]) -> str:
    """Return a description of the backbone and its training, without the full stop."""
    shape, training, base = config.model, config.pretrain, results[PRETRAIN.name].metrics()
    return (
        f"A GPT of {base['parameters']:,.0f} parameters ({shape.n_layer} layers, "
        f"{shape.n_head} heads, {shape.n_embd} channels, {shape.block_size} tokens of context, "
        f"{shape.position} positions), pretrained on {base['tokens_seen']:,.0f} tokens "
        f"({training.objective} objective, {training.max_steps:,} steps)"
    )


def _about(config: Config, task: TaskConfig, results: Mapping[str, Result]) -> Iterator[str]:
    if config.sample is not None:
        yield SAMPLE_WARNING
    kind = task.kind.replace("_", " ")
    yield f"A model that {page_of(task.kind).DOES} ({kind}), fine-tuned by textmill."
    model = _task_model(task, results)
    yield f"It is {model['choice']}."
    if languages(task):
        yield f"Language: {plain(languages(task))}."
    labels = _labels(model["spec"].get("labels", ()))
    if labels:
        shown = ", ".join(labels[:MAX_LABELS])
        more = len(labels) - MAX_LABELS
        yield f"Labels: {shown}{f', and {more} more' if more > 0 else ''}."
    if NETWORK not in model["members"]:
        return
    base = _base(config, results)
    epochs = results[FINETUNE.label(task.name)].metrics()["epochs"]
    yield (
        f"Base: {base[0].lower()}{base[1:]}, then fine-tuned for {epochs:.3g} epochs "
        f"with {task.finetune.attention} attention."
    )


def _task_model(task: TaskConfig, results: Mapping[str, Result]) -> Any:
    """Return the settings of a task's model."""
    return results[FINETUNE.label(task.name)].json("task.json")


def _labels(labels: list[str]) -> list[str]:
    """Return the labels to show; for IOB2 tags, the entity types."""
    if "O" in labels and all(label == "O" or label[:2] in ("B-", "I-") for label in labels):
        labels = [label[2:] for label in labels if label.startswith("B-")]
    return [plain(label) for label in labels]


def _scores(task: TaskConfig, results: Mapping[str, Result]) -> Iterator[str]:
    if EVALUATE.label(task.name) not in results:
        yield "Not evaluated yet."
        return
    tested = results[EVALUATE.label(task.name)].metrics()
    simple = results[BASELINE.label(task.name)].metrics()
    lines = ["| score | model | baseline | trivial |", "|---|---|---|---|"]
    for key, value in tested.items():
        if "/" not in key and key in simple:
            cells = (value, simple[key], simple.get(f"trivial/{key}"))
            shown = " | ".join("" if cell is None else f"{cell:.3f}" for cell in cells)
            lines.append(f"| {key.replace('_', ' ')} | {shown} |")
    yield "\n".join(lines)
    if spreads := read_spreads(tested, SEEDS):
        n_networks = next(iter(spreads.values())).n
        yield (
            f"With each of its {n_networks} networks as the only one, mean and standard deviation "
            f"over seeds: {_listed(spreads)}."
        )
    if FOLDS.label(task.name) in results:
        folded = read_spreads(results[FOLDS.label(task.name)].metrics(), PREFIXES[OVER_FOLDS])
        n_folds = next(iter(folded.values())).n
        yield (
            f"Cross-validated on its training examples in {n_folds} folds, mean and standard "
            f"deviation: {_listed(folded)}."
        )
    notes = read_notes(results[BASELINE.label(task.name)].folder)
    use = "" if any(note.name == LEAK for note in notes) else ", not used in training"
    yield (
        f"On {tested['test_examples']:,.0f} test examples{use} "
        f"({tested['cut_examples']:,.0f} of them truncated)."
    )
    for note in notes:
        yield f"{'**Doubtful:** ' if note.is_doubt else ''}{escaped(str(note))}."


def _listed(spreads: Mapping[str, Spread]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {spread}" for key, spread in spreads.items())


def _behaviour(result: Result) -> Iterator[str]:
    tests = from_rows(result.lines(VERDICTS))
    if not tests:
        return
    yield "## Behaviour"
    header = ["behaviour test", "kind", "cases", "passed", "95 % interval", "failed case"]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for one in tests:
        example = plain(one.failed[0].texts[-1]) if one.failed else ""
        about = f": {plain(one.about)}" if one.about else ""
        interval = proportion_interval(one.outcomes, one.groupings)
        bounds = f"{interval.low:.3f} to {interval.high:.3f}"
        passed = f"{one.n_cases:,} | {one.share:.3f} | {bounds}"
        lines.append(f"| {one.test}{about} | {one.kind} | {passed} | {example} |")
    yield "\n".join(lines)
    yield (
        "The answers of minimum tests are known; invariance and direction tests change a text in a "
        "way that must not change the answer, or must move a probability (Ribeiro et al. 2020). "
        "Intervals are about other test examples, and other values in the same templates."
    )


def _data(config: Config, results: Mapping[str, Result], labels: tuple[str, ...]) -> Iterator[str]:
    lines = ["| data | location | SHA-256 |", "|---|---|---|"]
    for label in labels:
        if label not in results:
            continue
        sources = results[label].manifest["sources"]
        if label in CORPUS:
            sources = {name: source for name, source in sources.items() if is_in_corpus(source)}
        for name, source in list(sources.items())[:MAX_SOURCES]:
            place, digest = _end_of(source["place"]), source["digest"][:DIGEST_CHARS]
            lines.append(f"| {plain(name)} | {plain(place)} | {plain(digest)} |")
        if len(sources) > MAX_SOURCES:
            lines.append(f"| {len(sources) - MAX_SOURCES} more | | |")
    yield "\n".join(dict.fromkeys(lines))  # a task's examples may be text of the corpus
    corpus, counts = config.corpus, summary_of(results[CLEAN.name], config).total
    kinds = ", ".join(kind.replace("_", " ") for kind in corpus.redaction.kinds)
    changes = {
        "Unicode repaired": corpus.repair_unicode,
        "HTML stripped": corpus.strip_html,
        f"personal data redacted ({kinds})": corpus.redaction.enabled,
    }
    made = [name for name, is_made in changes.items() if is_made]
    yield (
        f"Changes to the pretraining text: {', '.join(made) or 'none'}. Filtered out: "
        f"{', '.join(described(corpus).values())}. Kept {counts.documents_kept:,} of "
        f"{counts.documents_read:,} documents."
    )


def _licences(config: Config, others: Mapping[str, str]) -> str:
    """Return the licences of the corpus and of other data, as configured."""
    terms = [(source.name, source.licence) for source in config.corpus.sources]
    terms += [(source_of(task.name), task.licence) for task in config.text_tasks]
    by_terms: dict[str, list[str]] = {}
    for name, licence in (*terms, *others.items()):
        by_terms.setdefault(licence, []).append(plain(name))
    listed = "; ".join(
        f"{plain(terms)} ({_abbreviate(names)})"
        for terms, names in sorted(by_terms.items())
        if names
    )
    return f"Licences of the data, as configured: {listed}."


def _abbreviate(names: list[str]) -> str:
    more = len(names) - MAX_SOURCES
    return ", ".join(names[:MAX_SOURCES]) + (f" and {more} more" if more > 0 else "")


def _runs(results: Mapping[str, Result], *trained: str) -> str:
    """Return links to the runs of the steps that created the model."""
    labels = (*CORPUS, TOKENIZER.name, TOKENS.name, *trained)
    return ", ".join(f"[{label}]({results[label].url})" for label in labels if label in results)


def _end_of(place: str) -> str:
    """Return the end of a long path, its most specific part."""
    return place if len(place) <= MAX_NAME_CHARS else f"… {place[2 - MAX_NAME_CHARS :]}"


def _limits(config: Config, results: Mapping[str, Result], cutting: str) -> list[str]:
    return [
        f"- Its context is {config.model.block_size} tokens: {cutting}.",
        f"- Languages of the pretraining text: {_languages(config, results)}. It is unreliable in "
        "other languages.",
        _ERRORS,
    ]


def _languages(config: Config, results: Mapping[str, Result]) -> str:
    """Return the languages of the corpus with their shares, largest first."""
    found = summary_of(results[CLEAN.name], config).total.bytes_by_language
    if not found.keys() - {UNDETERMINED}:
        return "not known"
    if len(found) == 1:
        shown = [plain(next(iter(found)))]
    else:
        total = sum(found.values())
        shown = [
            f"{UNKNOWN if tag == UNDETERMINED else plain(tag)} {n_bytes / total:.1%}"
            for tag, n_bytes in found.items()
        ]
    listed = _abbreviate(shown) + (" of the bytes" if len(found) > 1 else "")
    tags = {source.language for source in config.corpus.sources}
    is_identified = AUTO in tags.union(*(task.text_languages for task in config.text_tasks))
    return listed + (" (identified automatically)" if is_identified else "")
