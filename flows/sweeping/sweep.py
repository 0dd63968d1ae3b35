"""The flow of a sweep: trials of a task's fine-tuning, one after another."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import BaseModel, ValidationError

from textmill.config import Config, TaskConfig
from textmill.config.space import present_settings, with_settings
from textmill.errors import InputError, RunError
from textmill.steps.graph import FINETUNE, GRAPH
from textmill.steps.process import Pruned, Stopped
from textmill.tasks.kinds import examples_of
from textmill.tracking.computing.trial_runs import (
    TrialRecord,
    find_training,
    key_of_training,
    log_trial,
    pipeline_of_trial,
)
from textmill.tracking.metrics.follow import Progress
from textmill.tracking.raw_data import find_sources
from textmill.tracking.results import Result
from textmill.tracking.store import StoreError
from textmill_flows.invocation import Composed
from textmill_flows.pipeline import check_task
from textmill_flows.running.console import shown_progress
from textmill_flows.running.context import Context, command, log, say
from textmill_flows.running.prefect_tasks import run_parts
from textmill_flows.running.recording import recorded_flow
from textmill_flows.sweeping.leaderboard import best_of, leaderboard, parameters, summary
from textmill_flows.sweeping.study import Study, Trial


@recorded_flow("sweep")
def sweep(name: str, composed: Composed) -> None:
    """Search the settings of a task's fine-tuning, after the steps that it depends on."""
    check_task(composed.config, name)
    settings = task_of(composed.config, name)
    study = Study(settings.sweep, settings.finetune)  # first, as it needs Optuna
    with command("sweep", composed, name) as context:
        run_parts(context, GRAPH.up_to(context.config, FINETUNE.label(name)))
        search = Search(context, name)
        present, trials = search.present(), search.run(study)
        best = best_of(trials)
        table = leaderboard(name, search.metric, present, trials)
        lines = summary(composed, context.config, name, search.metric, present, best)
        text = "\n".join([table, "", *lines])
        scores = {"configured": present, "best": best}
        context.pipeline.record_scores(
            {
                f"{name}/sweep/{label}_validation_{search.metric}": trial.score
                for label, trial in scores.items()
                if trial is not None and trial.score is not None
            },
            text,
        )
        context.page.text(text, "sweep", f"Sweep of {name}")
        log.info("\n%s", text)


def task_of(config: Config, name: str) -> TaskConfig:
    """Return a task of a configuration by its name."""
    return next(task for task in config.tasks if task.name == name)


class Search:
    """The trials of a sweep, each of which is the step `finetune` with other settings.

    Args:
        context: the running command, with the results of all steps up to `finetune`.
        name: the task.
    """

    def __init__(self, context: Context, name: str) -> None:
        self.context = context
        self.task = task_of(context.config, name)
        self.metric = examples_of(self.task.kind).SELECTION
        """Name of the validation score, without its prefix."""
        self.part = GRAPH.part(FINETUNE, name)
        results, config = context.pipeline.results, context.config
        self.inputs = {k: results[label] for k, label in GRAPH.inputs(self.part, config).items()}
        self.sources = find_sources(self.part.reads(config))

    def present(self) -> TrialRecord:
        """Return the result of the settings as they are as a trial, and log it."""
        result = self.context.pipeline.results[self.part.label]
        training = find_training(self.context.pipeline.store, result.key, self._validation)
        record = TrialRecord(
            number=0,
            settings=present_settings(self.task.finetune, self.task.sweep.space),
            outcome="reused" if result.is_reused else "computed",
            score=self._score(result),
            points=training.points if training else (),
            training=training,
        )
        log_trial(self.context.pipeline, self.task.name, self.metric, record)
        return record

    def run(self, study: Study) -> list[TrialRecord]:
        """Return the trials of a study, having run them one after another.

        Raises:
            InputError: the examples are invalid.
            RunError: every training has failed, or the tracking store, or the run was stopped.
        """
        settings, records = self.task.sweep, list[TrialRecord]()
        while len(records) < settings.trials:
            hours = sum(record.seconds for record in records) / 3600
            if settings.max_hours is not None and hours >= settings.max_hours:
                say(f"sweep.max_hours={settings.max_hours:g} is reached: no further trial begins.")
                break
            trial = study.ask()
            label = f"trial {trial.number}"
            state = run_trial.with_options(task_run_name=label)(self, trial)
            record = state.result(raise_on_failure=False)
            if isinstance(record, Exception):
                raise record
            study.tell(trial, record.score if record.is_complete else None)
            records.append(record)
        failures = [record.failure for record in records if record.failure]
        if len(failures) == len(records):
            raise RunError(f"Every trial has failed, the last one with: {failures[-1]}")
        return records

    def evaluate(self, trial: Trial) -> TrialRecord:
        """Return the result of a trial: computed, reused by its key, or stopped early.

        The validation scores of an earlier training are observed like those of a new one, so that a
        resumed sweep stops the same trials at the same validations.

        Raises:
            InputError: the examples are invalid.
            RunError: the tracking store failed, or the run was stopped.
        """
        store, score, failure = self.context.pipeline.store, None, None
        training = None
        try:
            config = self._configured(trial)
            task = task_of(config, self.task.name)
            step_config = self.part.configure(config)
            key = key_of_training(step_config, self.inputs, self.sources, task)
            try:
                self._observe_earlier(trial, key)
                result = self._compute(trial, step_config, task)
                self._observe_earlier(trial, key)  # if another sweep has computed it meanwhile
                score, outcome = self._score(result), "reused" if result.is_reused else "computed"
            except Pruned:
                score, outcome = max(value for _, value in trial.scores), "pruned"
            training = find_training(store, key, self._validation)
        except (InputError, Stopped, StoreError):
            raise
        except RunError as error:
            outcome, failure = "failed", str(error)
        return TrialRecord(
            trial.number, trial.settings, outcome, score, trial.scores, training, failure
        )

    def _observe_earlier(self, trial: Trial, key: str) -> None:
        training = find_training(self.context.pipeline.store, key, self._validation)
        for point in training.points if training else ():
            trial.observe(*point)

    @property
    def _validation(self) -> str:
        return f"validation/{self.metric}"

    def _score(self, result: Result) -> float:
        """Return the validation score of a result; of several seeds, the mean."""
        metrics, name = result.metrics(), f"best_validation_{self.metric}"
        return metrics.get(f"{name}/mean", metrics[name])

    def _configured(self, trial: Trial) -> Config:
        """Return the configuration with the settings of a trial.

        Raises:
            RunError: their combination is invalid.
        """
        try:
            finetune = with_settings(self.task.finetune, trial.settings)
        except ValidationError as error:
            raise RunError(error.errors()[0]["msg"]) from None
        task = self.task.model_copy(update={"finetune": finetune})
        config = self.context.config
        tasks = tuple(task if one.name == task.name else one for one in config.tasks)
        return config.model_copy(update={"tasks": tasks})

    def _compute(self, trial: Trial, config: BaseModel, task: TaskConfig) -> Result:
        with shown_progress(f"trial {trial.number}", say) as show:

            def follow(progress: Progress) -> None:
                show(progress)
                if self._validation in progress.point:
                    trial.observe(progress.step, progress.point[self._validation])

            return pipeline_of_trial(self.context.pipeline, trial.number).run(
                FINETUNE,
                config,
                self.inputs,
                self.sources,
                task,
                on_progress=follow,
                is_recorded=False,
            )


@task(name="trial", cache_policy=NO_CACHE, persist_result=False)
def run_trial(search: Search, trial: Trial) -> State[Any]:
    """Run a trial and log it; return a state with its record, named after its outcome.

    Errors that end the sweep are data of the state: for an exception, Prefect would print a
    traceback.
    """
    try:
        record = search.evaluate(trial)
        log_trial(search.context.pipeline, search.task.name, search.metric, record)
    except (InputError, RunError) as error:
        return Failed(message=str(error), data=error)
    score = "" if record.score is None else f" validation {search.metric} {record.score:.4f}"
    url = record.training.url if record.training else record.failure
    say(f"trial {trial.number} ({parameters(trial.settings)}): {record.outcome}{score}  {url}")
    return Completed(name=record.outcome.capitalize(), message=str(url), data=record)
