"""Routes of predictions: the models of tasks, computed in batches over requests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from textmill.config import FilterSide, ServeConfig
from textmill.errors import InputError
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.serving.findings import check_input
from textmill.serving.meters import Meters
from textmill.serving.micro_batches import Batcher
from textmill.serving.prediction_log import PredictionLog
from textmill.serving.refusals import RESPONSES, Refusal
from textmill.serving.registered import RegisteredModels, VersionInfo
from textmill.serving.served_models import Loaded, Models, Slot
from textmill.serving.workers import MAX_SMALL, Workers
from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.filtered.task_filter import CheckedInput, TaskFilter, task_filter
from textmill.tasks.inputs import Input, checked, size_of
from textmill.tasks.kinds import answers_of
from textmill.tasks.shown import page_of

MAX_BATCH = 64
"""Maximum inputs that are computed together; a predictor divides them further."""


class PredictionRequest(BaseModel):
    """Inputs of the model of a task."""

    model_config = ConfigDict(extra="forbid")

    inputs: Annotated[list[str | dict[str, str]], Field(min_length=1)]
    """Texts; or, if the model has several columns, an object with these for each input."""
    version: Annotated[str | None, Field(pattern="^[0-9]{1,9}$")] = None
    """A registered version of the model, instead of the champion."""
    details: bool = False
    """Whether predictions have what metrics need besides: the probabilities of all labels."""


class ModelInfo(BaseModel):
    """Which model answered."""

    name: str
    """Name of the task."""
    run: str
    """MLflow run that trained it, for `textmill lineage`."""
    version: str | None
    """Version in the model registry; null if the model is not registered."""


class PredictionResponse(BaseModel):
    """One prediction for each input, in their order."""

    predictions: list[dict[str, Any]]
    model: ModelInfo


class TaskInfo(BaseModel):
    """What the model of a task does."""

    name: str
    kind: str
    does: str
    columns: list[str]
    """Columns of an input; a single one is the text itself."""
    example: dict[str, str]
    answer: list[str]
    """Fields of a prediction."""
    model: ModelInfo | None
    """Null if it is not loaded."""
    problem: str | None
    """Why the newest model is not loaded, or null."""


class Prediction:
    """Answers requests by the models of tasks.

    If a model writes texts, content filters check its inputs and outputs.

    Args:
        models: the models, whose batches are computed one after another.
        config: limits.
        content_filter: for models that write texts.
        workers: where batches are computed, models loaded, and large texts checked and logged.
        meters: count what is answered.
        log: of the predictions; None: there is none.
        registered: other versions of the models; None: they are not served.
    """

    def __init__(
        self,
        models: Models,
        config: ServeConfig,
        content_filter: ContentFilter,
        workers: Workers,
        meters: Meters,
        log: PredictionLog | None,
        registered: RegisteredModels | None = None,
    ) -> None:
        self.models, self.config, self.meters, self.log = models, config, meters, log
        self.content_filter, self.workers = content_filter, workers
        self.registered = registered
        self.batchers = {
            name: Batcher(
                _compute,
                workers.predicting,
                MAX_BATCH,
                config.max_waiting,
                meters.batches.labels(name).observe,
            )
            for name in models.tasks
        }

    async def answer(
        self,
        task: str,
        given: Sequence[Any],
        version: str | None = None,
        with_details: bool = False,
    ) -> PredictionResponse:
        """Return the predictions for the inputs of a request.

        Args:
            task: its name.
            given: the inputs.
            version: a registered version; None: the current model.
            with_details: whether predictions have the probabilities of all labels.

        Raises:
            Refusal: there is no such task or version, its model is not loaded or did not answer in
                time; or an input is invalid, or there are too many.
        """
        if len(given) > (most := self.config.max_inputs):
            raise Refusal(413, f"{len(given)} inputs are more than {most}: send fewer.", "inputs")
        try:
            async with asyncio.timeout(self.config.timeout_s):
                model = await self._model(task, version)
                filters = task_filter(
                    self.models.kinds[task], model.model.redaction, self.content_filter
                )
                size = sum(map(size_of, given))
                check = partial(_checked_all, given, model.model, filters)
                checks = await self.workers.on_texts(size, check, _uses_model(filters, "prompt"))
                asked = [_Asked(model.model, with_details, one.given) for one in checks]
                predictions = await self.batchers[task].submit(asked)
        except TimeoutError:
            raise Refusal(503, f"No answer within {self.config.timeout_s:g} s.") from None
        except InputError as error:  # such as a predicate that is not in its text
            raise Refusal(422, str(error), "inputs") from None
        finish = partial(self._finished, task, model, filters, checks, predictions)
        if filters is not None:
            size += sum(size_of(prediction[filters.written]) for prediction in predictions)
        is_quick = size <= MAX_SMALL and not _uses_model(filters, "output")
        predictions = finish() if is_quick else await self.workers.in_thread(size, finish)
        return PredictionResponse(predictions=predictions, model=info(task, model))

    async def _model(self, task: str, version: str | None) -> Loaded[Predictor]:
        """Return the current model of a task, or a version, which is loaded first."""
        slot = self.models.task(task)
        if version is None or (slot.loaded is not None and slot.loaded.id.version == version):
            return slot.get()
        if self.registered is None:
            raise Refusal(404, "This server has only the current models.", "version")
        load = partial(self.registered.load, task, version)
        return await asyncio.get_running_loop().run_in_executor(self.workers.loading, load)

    def _finished(
        self,
        task: str,
        model: Loaded[Predictor],
        filters: TaskFilter | None,
        checks: Sequence[CheckedInput],
        predictions: list[dict[str, Any]],
    ) -> list[dict[str, Any]]:
        """Return the predictions for checked inputs after the filters, and record them."""
        if filters is not None:
            predictions = [
                filters.check_output(prediction, check.decisions)
                for prediction, check in zip(predictions, checks, strict=True)
            ]
        self._record(task, model, [check.given for check in checks], predictions)
        return predictions

    def _record(
        self,
        task: str,
        model: Loaded[Predictor],
        inputs: Sequence[Input],
        predictions: Sequence[Mapping[str, Any]],
    ) -> None:
        self.meters.predictions.labels(task, model.id.version or "").inc(len(predictions))
        if self.log is not None:
            written = answers_of(self.models.kinds[task]).WRITES
            redaction = model.model.redaction
            lost = self.log.write(task, model.id, redaction, inputs, predictions, written)
            self.meters.unlogged.inc(lost)


class _Asked(NamedTuple):
    """An input, for a model that may be replaced before its batch is computed."""

    predictor: Predictor
    has_details: bool
    """Whether the prediction has what metrics need besides."""
    given: Input


def _compute(asked: Sequence[_Asked]) -> list[dict[str, Any]]:
    """Return the predictions for a batch, which requests for the same model share."""
    predictions: list[dict[str, Any]] = []
    for (predictor, has_details), group in groupby(asked, key=itemgetter(0, 1)):
        inputs = [one.given for one in group]
        found = predictor.stream_weighted(inputs, [predictor.weights], with_details=has_details)
        predictions += [prediction for (prediction,) in found]
    return predictions


def info(name: str, loaded: Loaded[Any]) -> ModelInfo:
    """Return which model is loaded under a name."""
    return ModelInfo(name=name, run=loaded.id.run_id, version=loaded.id.version)


def task_info(models: Models, slot: Slot[Predictor]) -> TaskInfo:
    """Return what the model of a task does, and whether it is loaded."""
    page = page_of(kind := models.kinds[slot.name])
    columns = slot.loaded.model.columns if slot.loaded is not None else tuple(page.EXAMPLE)
    return TaskInfo(
        name=slot.name,
        kind=kind,
        does=page.DOES,
        columns=list(columns),
        example={column: page.EXAMPLE[column] for column in columns},
        answer=list(page.ANSWER),
        model=None if slot.loaded is None else info(slot.name, slot.loaded),
        problem=slot.problem,
    )


def routes(prediction: Prediction) -> APIRouter:
    """Return the routes of predictions."""
    router = APIRouter(prefix="/v1/tasks", tags=["predictions"], responses={**RESPONSES})

    @router.get("")
    async def list_tasks() -> list[TaskInfo]:
        """List the tasks, and which models are loaded."""
        models = prediction.models
        return [task_info(models, slot) for slot in models.tasks.values()]

    @router.post("/{task}/predict")
    async def predict(task: str, request: PredictionRequest) -> PredictionResponse:
        """Predict with the champion of a task, or else with its newest model; or with a version."""
        return await prediction.answer(task, request.inputs, request.version, request.details)

    @router.get("/{task}/versions")
    def list_versions(task: str) -> list[VersionInfo]:
        """List the registered versions of the model of a task, the newest first."""
        prediction.models.task(task)  # or else a Refusal
        return [] if prediction.registered is None else prediction.registered.versions(task)

    return router


def _uses_model(filters: TaskFilter | None, side: FilterSide) -> bool:
    return filters is not None and filters.content.uses_model(side)


def _checked_all(
    given: Sequence[Any], predictor: Predictor, filters: TaskFilter | None
) -> list[CheckedInput]:
    """Return the inputs of a request after the filters.

    Raises:
        Refusal: an input is invalid, or a filter blocks it.
    """
    inputs = [_checked(number, one, predictor) for number, one in enumerate(given)]
    if filters is None:
        return [CheckedInput(one, ()) for one in inputs]
    return [check_input(filters, one) for one in inputs]


def _checked(number: int, given: Any, predictor: Predictor) -> Input:
    columns = predictor.columns
    if len(columns) == 1 and isinstance(given, Mapping) and columns[0] in given:
        given = given[columns[0]]
    try:
        return checked(given, columns)
    except ValueError as error:
        raise Refusal(422, f"inputs.{number}: {error}.", "inputs") from None
