"""Readers of a store: the implementations of the commands, each returning its result as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from small_demo import SMALL

WORDS = "waiter"
"""A word that occurs in the sample data."""
TEXTS = ["The waiter was friendly, and the soup was warm.", "The team won again."]


class Readers:
    """Readers of the store in the working directory, with two pipelines and a killed training."""

    def __init__(self) -> None:
        from textmill.compose import compose
        from textmill.tracking.liveness import close_dead_runs
        from textmill.tracking.store import Store

        self.config = compose("demo", [*SMALL, "tracking.system_metrics=false"])
        store = Store(self.config.tracking)
        close_dead_runs(store)
        found = store.search("tags.`textmill.pipeline`='pipeline' and attributes.status='FINISHED'")
        self.runs = [run.info.run_id for run in found[:2]]
        models = store.client.search_logged_models([found[0].info.experiment_id])
        self.models = {model.name: model.model_uri for model in models}
        self.wip = next(folder for folder in store.wip.glob("*/work") if folder.is_dir()).parent
        self.sample = next(store.home.glob("artifacts/*/artifacts/output/topic/test.*"), None)

    def _store(self) -> Any:
        from textmill.tracking.store import Store

        return Store(self.config.tracking)

    def all(self) -> dict[str, Callable[[], str]]:
        """Return the readers by name."""
        return {
            "lineage RUN": lambda: self._lineage(self.runs[0]),
            "lineage MODEL": lambda: self._lineage(self.models["topic"]),
            "lineage FILE": lambda: self._lineage(str(self._a_source())),
            "lineage --text": self._text,
            "compare": self._compare,
            "reproduce": self._reproduce,
            "predict topic": lambda: self._predict("topic"),
            "predict ner": lambda: self._predict("ner"),
            "generate": self._generate,
            "report": self._report,
            "data page": self._data,
            "cards": self._cards,
            "promotion": self._promotion,
            "prune": self._prune,
            "retrain": self._retrain,
            "doctor": self._doctor,
            "run: find results": self._find,
            "run: resume": self._resume,
            "run: prepared documents": self._prepared,
            "run: check experiment": self._experiment,
            "plan --fit": self._fit,
            "load_model topic": lambda: self._served("topic"),
            "load_model backbone": lambda: self._served("backbone"),
        }

    def _a_source(self) -> Path:
        from textmill.tracking.lookup import find_run
        from textmill.tracking.results import recorded_results

        store = self._store()
        clean = store.client.get_run(recorded_results(find_run(store, self.runs[0]))["clean"])
        return Path(clean.data.tags["textmill.places"].split("\n")[0])

    def _lineage(self, subject: str) -> str:
        from textmill.registry.drawing import render_tree
        from textmill.registry.lineage import trace

        return render_tree(trace(self._store(), subject))

    def _text(self) -> str:
        from textmill.registry.drawing import render_tree
        from textmill.registry.lineage import trace_text

        return render_tree(trace_text(self._store(), WORDS))

    def _compare(self) -> str:
        from textmill.reports.comparison import compare
        from textmill.reports.side_by_side import render

        return render(compare(self._store(), self.runs))

    def _reproduce(self) -> str:
        from textmill.registry.recorded import load_recorded, machine_differences, problems

        found = load_recorded(self._store(), self.runs[0])
        steps = [(step.label, step.manifest, step.metrics) for step in found.steps.values()]
        return str((found.config, steps, problems(found), machine_differences(found)))

    def _predict(self, task: str) -> str:
        from textmill.registry.current import current_model
        from textmill.steps.graph import FINETUNE
        from textmill.tasks.ensemble.predictor import load_predictor

        self._store()
        chosen = current_model(self.config, FINETUNE, task)
        return str((chosen.run_id, load_predictor(chosen.folder)(TEXTS)))

    def _generate(self) -> str:
        from textmill_flows.answering.inference import write

        return "".join(write(TEXTS[0], self.config))

    def _results(self, store: Any) -> dict[str, Any]:
        from textmill.tracking.lookup import find_run
        from textmill.tracking.results import find_result, recorded_results

        results = recorded_results(find_run(store, self.runs[0]))
        return {label: find_result(store, run_id) for label, run_id in results.items()}

    def _pipeline(self) -> Any:
        from textmill.tracking.pipeline import Pipeline

        store = self._store()
        run = store.client.get_run(self.runs[0])
        pipeline = Pipeline(store, run.info.experiment_id, self.runs[0], False, {})
        pipeline.results = self._results(store)
        return pipeline

    def _report(self) -> str:
        from textmill.reports import rendering as pages
        from textmill.reports.report import gather

        pipeline = self._pipeline()
        summary = pipeline.store.client.get_run(self.runs[0]).data.metrics
        return pages.render(replace(gather(pipeline, self.config, summary, {}, {}), seconds=0))

    def _data(self) -> str:
        from textmill.reports.data_page import gather_corpus

        return str(gather_corpus(self.config, self._results(self._store())))

    def _cards(self) -> str:
        from textmill.reports.cards import backbone_card_text, card_text

        results = self._results(self._store())
        cards = [card_text(self.config, task, results) for task in self.config.tasks]
        return "\n".join([*cards, backbone_card_text(self.config, results)])

    def _promotion(self) -> str:
        from textmill.registry.challenger import recipe_of
        from textmill.registry.promotion import champion_results
        from textmill.reports.comparison import read_predictions

        store = self._store()
        results = self._results(store)
        best = champion_results(store, self.config.experiment, "backbone")
        answers = [
            read_predictions(store, store.client.get_run(result.run_id))
            for label, result in results.items()
            if label.startswith("evaluate")
        ]
        return str((best, answers, recipe_of(results["finetune topic"], results)))

    def _prune(self) -> str:
        from textmill.registry.prune import find_unused

        # Without sizes: a damaged file may be smaller.
        return str([replace(waste, n_bytes=0) for waste in find_unused(self._store(), 1)])

    def _retrain(self) -> str:
        from textmill.tracking.events import find_sample, last_finished, result_of

        store = self._store()
        last = last_finished(store, self.config)
        assert last is not None
        labels = ("pretrain", "tokens", "evaluate-lm")
        found = [result_of(store, last, label) for label in labels]
        return str((last, found, find_sample(store, self.config.sample)))

    def _doctor(self) -> str:
        from textmill.errors import RunError
        from textmill_flows.answering.checkup import _store

        (is_good, words), *_ = _store(self.config)
        if not is_good:
            raise RunError(words)
        return words

    def _find(self) -> str:
        return str({label: result.digest for label, result in self._results(self._store()).items()})

    def _resume(self) -> str:
        """Return the state from which an interrupted training resumes."""
        from textmill.files import digest_folder
        from textmill.tracking.computing.work_folder import WorkFolder
        from textmill.training.checkpoint import newest_checkpoint
        from textmill.training.metrics_file import NAME, read_entries, truncate_damaged

        self._store()
        work = self.wip / "work"
        checkpoint = newest_checkpoint(work)
        truncate_damaged(work)
        file = work / NAME
        points = read_entries(file.read_bytes(), file)[0] if file.exists() else []
        held = None if checkpoint is None else (checkpoint.name, digest_folder(checkpoint))
        return json.dumps([WorkFolder(self.wip, "pretrain")._state, held, points])

    def _prepared(self) -> str:
        """Return the prepared documents that a later run would find."""
        from textmill.corpus.cleaning.workers.cache import PreparedCache
        from textmill.corpus.cleaning.workers.packs import read_group
        from textmill.files import CachePlace

        store, found = self._store(), []
        for folder in sorted((store.home / "prepared").glob("*")):
            cache = PreparedCache(CachePlace(folder, folder / "new", 1))
            for pack, number in cache._groups:
                group = read_group(pack, number)
                found += [str(group.get(known, "")) for known in group._rows]
        return json.dumps(found)

    def _experiment(self) -> str:
        from textmill.tracking.experiment import reject_other_pipeline

        store = self._store()
        reject_other_pipeline(store, store.experiment("demo"), self.config, "another")
        return "nothing"

    def _fit(self) -> str:
        from textmill.reports.trained_runs import trained_runs

        return str(trained_runs(self._store(), [self.runs[0]]))

    def _served(self, name: str) -> str:
        import mlflow
        import pandas as pd

        self._store().use()
        model = mlflow.pyfunc.load_model(self.models[name])
        params = {"max_new_tokens": 4} if name == "backbone" else {}
        return str(model.predict(pd.DataFrame({"text": TEXTS}), params).to_dict("records"))


IS_PARTIAL: dict[str, Callable[[str, str], bool]] = {
    # Lost points and documents are computed again, but none may differ.
    "run: resume": lambda found, right: _is_earlier(json.loads(found), json.loads(right)),
    "run: prepared documents": lambda found, right: (
        set(json.loads(found)) <= set(json.loads(right))
    ),
}


def _is_earlier(found: list[Any], right: list[Any]) -> bool:
    note, checkpoint, points = found
    is_prefix = points == right[2][: len(points)]
    return note in (right[0], {}) and checkpoint in (right[1], None) and is_prefix
