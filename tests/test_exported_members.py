"""Specifies the public names of every package: what other packages and users import from it."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import textmill
import textmill_flows

PUBLIC = {
    "textmill": ["__version__"],
    "textmill.config": [
        "AUTO",
        "Accelerator",
        "AnyTask",
        "BudgetStepConfig",
        "C4Config",
        "CleanConfig",
        "ClusterConfig",
        "Config",
        "CorpusConfig",
        "CurveConfig",
        "CurveStepConfig",
        "DecontaminationConfig",
        "DriftConfig",
        "DriftStepConfig",
        "ExactDuplicatesConfig",
        "FineWebConfig",
        "FinetuneConfig",
        "GenerationConfig",
        "GopherQualityConfig",
        "GopherRepetitionConfig",
        "HtmlConfig",
        "KINDS",
        "LABELLING_KINDS",
        "LANGUAGE_FLOORS",
        "LANGUAGE_MODEL",
        "LabelledConfig",
        "LanguageModelStepConfig",
        "LimitsConfig",
        "LoRAConfig",
        "Location",
        "MeasureStepConfig",
        "ModelConfig",
        "NOT_IN_KEY",
        "NearDuplicatesConfig",
        "NotifyConfig",
        "OpenModelConfig",
        "OpenPretrainConfig",
        "OpenTokenizerConfig",
        "OptimizationConfig",
        "Packing",
        "Precision",
        "PretrainConfig",
        "PretrainStepConfig",
        "PromotionConfig",
        "QualityConfig",
        "RedactionConfig",
        "RedactionKind",
        "RepeatedLinesConfig",
        "RetrainConfig",
        "RotaryScaling",
        "SampleConfig",
        "ScalingLaw",
        "Settings",
        "Sizes",
        "SourceConfig",
        "SplitTextsConfig",
        "SweepConfig",
        "TASK_SOURCE",
        "TaskConfig",
        "TaskTextsConfig",
        "TaskTextsStepConfig",
        "TextFilesConfig",
        "TokenizerConfig",
        "TokensConfig",
        "TrackingConfig",
        "UNREDACTED",
        "ValuesConfig",
        "extensions",
        "flatten",
        "key_values",
        "kind_of",
        "masked",
        "open_sizes",
        "problems",
        "settings_of",
        "space",
    ],
    "textmill.corpus": ["cleaning", "reading", "task_texts", "tokens", "words"],
    "textmill.corpus.cleaning": [
        "clean",
        "filters",
        "language",
        "new_text",
        "receipts",
        "rejected",
        "repair",
        "shards",
        "summary",
        "workers",
    ],
    "textmill.corpus.cleaning.dedup": [
        "exact_duplicates",
        "fingerprints",
        "in_sequence",
        "near_duplicates",
        "repeated_lines",
        "seen",
    ],
    "textmill.corpus.cleaning.filters": [
        "Document",
        "Edit",
        "Filter",
        "Prepared",
        "Reason",
        "Rejection",
        "SequenceFilter",
        "Verdict",
        "chain",
        "contract",
        "measures",
        "unreadable",
    ],
    "textmill.corpus.cleaning.workers": ["cache", "pool"],
    "textmill.corpus.reading": [
        "decoding",
        "folders",
        "html",
        "hub",
        "labelled",
        "line_ends",
        "lines",
        "outcomes",
        "records",
        "sources",
    ],
    "textmill.corpus.tokens": [
        "conversion",
        "corpus_texts",
        "corpus_tokens",
        "packing",
        "token_shards",
        "tokenizer",
        "vocabulary",
    ],
    "textmill.evaluation": [
        "learning_curve",
        "metrics",
        "notes",
        "plots",
        "probabilities",
        "regression",
        "seed_scores",
        "shift",
        "significance",
    ],
    "textmill.extensions": [],
    "textmill.model": [
        "GPT",
        "Head",
        "KVCache",
        "attention",
        "choose_device",
        "complete",
        "generate",
        "gpt",
        "layout",
        "load",
        "lora",
        "lstm",
        "save",
    ],
    "textmill.model.families": ["FAMILIES", "Family"],
    "textmill.registry": [
        "challenger",
        "drawing",
        "lineage",
        "promotion",
        "prune",
        "recorded",
        "reproduction",
        "versions",
    ],
    "textmill.reports": [
        "cards",
        "comparison",
        "data_page",
        "report",
        "side_by_side",
        "trained_runs",
    ],
    "textmill.safety": [
        "characters",
        "model_redaction",
        "placeholders",
        "pretokenized",
        "redaction",
    ],
    "textmill.sample": ["generate"],
    "textmill.sample.language": [
        "grammar",
        "judgements",
        "names",
        "news",
        "parallel",
        "patterns",
        "translated",
        "world",
    ],
    "textmill.steps": [
        "access",
        "chosen",
        "document_cache",
        "graph",
        "key",
        "manifest",
        "parts",
        "process",
        "raw_sources",
        "slots",
        "step",
        "stopwatch",
    ],
    "textmill.tasks": [
        "baseline",
        "curve",
        "drift",
        "ensemble",
        "evaluate",
        "finetune",
        "inputs",
        "kinds",
        "language_model",
        "predictions",
        "rows",
        "shown",
        "slices",
        "statistics",
    ],
    "textmill.tasks.checks": ["data_checks", "leaks"],
    "textmill.tasks.classification": [
        "answers",
        "baselines",
        "examples",
        "network",
        "page",
        "settings",
    ],
    "textmill.tasks.curve": ["arms", "curve", "subsets"],
    "textmill.tasks.ensemble": [
        "adapters",
        "baseline_files",
        "candidates",
        "held_out",
        "model_folder",
        "predictor",
        "seeds",
    ],
    "textmill.tasks.language_model": ["evaluate", "metrics"],
    "textmill.tasks.generation": ["baselines", "examples", "network", "page"],
    "textmill.tasks.multilabel": ["answers", "baselines", "examples", "network", "page"],
    "textmill.tasks.question_answering": ["baselines", "examples", "network", "page"],
    "textmill.tasks.tagging": ["baselines", "examples", "network", "page"],
    "textmill.tasks.translation": [
        "answers",
        "baselines",
        "examples",
        "network",
        "page",
        "settings",
    ],
    "textmill.tracking": [
        "artifacts",
        "database",
        "environment",
        "events",
        "experiment",
        "intervals",
        "liveness",
        "lookup",
        "metrics",
        "pipeline",
        "raw_data",
        "results",
        "served",
        "status",
        "store",
        "tags",
        "trial_runs",
        "user_code",
    ],
    "textmill.tracking.computing": ["attempt", "parent", "request", "step_run"],
    "textmill.tracking.database": [
        "client",
        "connection",
        "interruption",
        "mlflow_app",
        "opening",
        "relocation",
        "skinny",
    ],
    "textmill.tracking.metrics": ["curve_plot", "follow", "loss_curve", "system", "token_lengths"],
    "textmill.tracking.served": ["logged"],
    "textmill.training": [
        "batches",
        "fit",
        "initial",
        "likelihood",
        "metrics_file",
        "module",
        "moving_average",
        "objectives",
        "passes",
        "planning",
        "pretrain",
        "word_states",
        "writing",
    ],
    "textmill.training.parallel": ["devices", "ranks", "sharding"],
    "textmill.training.planning": [
        "backbones",
        "cost",
        "law",
        "plan",
        "scaling",
        "sizes",
        "speed",
    ],
    "textmill.web": ["addresses", "guard", "launch", "login"],
    "textmill_flows": ["cli", "invocation", "pipeline", "running", "scheduling", "servers"],
    "textmill_flows.answering": [
        "champions",
        "checkup",
        "comparing",
        "forecast",
        "housekeeping",
        "inference",
    ],
    "textmill_flows.cli": ["app", "execution", "machine", "models", "history", "terminal"],
    "textmill_flows.running": [
        "console",
        "context",
        "notice",
        "recording",
        "start",
        "prefect_tasks",
        "scores",
    ],
    "textmill_flows.scheduling": ["fixed", "retrain", "schedule"],
    "textmill_flows.servers": ["prefect_app", "server", "ui"],
    "textmill_flows.sweeping": ["leaderboard", "study", "sweep"],
}
"""`__all__` by package: names that its `__init__` defines, or submodules it does not load."""

ROOTS = {
    module.__name__: Path(str(module.__file__)).parent for module in (textmill, textmill_flows)
}
MODULES = {
    package if file.name == "__init__.py" else f"{package}.{file.stem}": file
    for root, folder in ROOTS.items()
    for file in sorted(folder.rglob("*.py"))
    for package in [".".join((root, *file.parent.relative_to(folder).parts))]
}
PACKAGES = sorted(name for name, file in MODULES.items() if file.name == "__init__.py")
LARGE = ("torch", "mlflow", "prefect", "hydra", "datasets", "pyarrow", "transformers")
LOADING = ("textmill.model", "textmill.model.families")
"""Packages whose `__init__` defines what it exports."""
DOTTED = re.compile(r"\b(?:textmill|textmill_flows)(?:\.\w+)+\b(?!:)")
"""Not `module:function`, by which the graph names what a step runs: listing it here as well would
put a new step into the keys of all that load the package around it."""


@cache
def mentioned(module: str) -> frozenset[str]:
    """Return the dotted names that a module imports, or loads by name."""
    text = MODULES[module].read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    return frozenset(names.union(DOTTED.findall(text)))


def imported_from_outside(package: str) -> set[str]:
    """Return the submodules of a package that modules outside of it use."""
    prefix = f"{package}."
    outside = (m for m in MODULES if m != package and not m.startswith(prefix))
    names = {name for module in outside for name in mentioned(module)}
    children = {n.removeprefix(prefix).split(".")[0] for n in names if n.startswith(prefix)}
    return {child for child in children if f"{prefix}{child}" in MODULES}


def test_every_package_is_listed() -> None:
    assert sorted(PUBLIC) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_the_public_names_of_a_package_are_those_listed(package: str) -> None:
    assert sorted(importlib.import_module(package).__all__) == sorted(PUBLIC[package])


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_defined_or_a_submodule(package: str) -> None:
    module = importlib.import_module(package)
    for name in PUBLIC[package]:
        assert hasattr(module, name) or f"{package}.{name}" in MODULES, name


@pytest.mark.parametrize("package", sorted({*PACKAGES} - {"textmill"}))
def test_what_other_packages_import_is_public(package: str) -> None:
    assert imported_from_outside(package) <= {*PUBLIC[package]}


def test_importing_the_packages_loads_no_large_library() -> None:
    code = (
        "import importlib, sys\n"
        f"for name in {[p for p in PACKAGES if p not in LOADING]!r}:\n"
        "    importlib.import_module(name)\n"
        f"print(*[name for name in {LARGE!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_version_is_that_of_the_installed_package() -> None:
    assert re.match(r"\d+\.\d+", textmill.__version__)
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = textmill.other
