"""A backbone as an MLflow pyfunc model, logged as code (never pickled)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.models
import mlflow.telemetry
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from textmill.config import GenerationConfig
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.model import choose_device, load
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.safety.model_redaction import read_redaction
from textmill.tasks.filtered.filter_folder import read_filters
from textmill.tasks.filtered.task_filter import FILTERED
from textmill.tracking.served.copies import FILTERS, check_copy
from textmill.training.writing import stream_text


class Backbone(PythonModel):
    """Predicts a completion for each text in the column `text` of a data frame."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights, and the filters, which early models lack.

        Raises:
            RunError: a file of the model is missing or damaged.
        """
        folder = Path(context.artifacts["model"])
        check_copy(folder)
        self.network = load(folder).to(choose_device())
        self.tokenizer = load_tokenizer(folder, self.network.config.vocab_size)
        self.redaction = read_redaction(folder)
        filters = context.artifacts.get(FILTERS)
        self.content = ContentFilter(()) if filters is None else read_filters(Path(filters))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,
    ) -> pd.DataFrame:
        """Return the completions of the texts, in their order; params as in GenerationConfig.

        Both pass the filters, whose decisions are in the column `filtered`, and the redaction of
        the training text; what is blocked is null.
        """
        config = GenerationConfig.model_validate(params or {})
        completions = [self._complete(text, config) for text in model_input["text"]]
        return pd.DataFrame(completions, dtype=object)  # or else null would be NaN

    def _complete(self, text: str, config: GenerationConfig) -> dict[str, Any]:
        prompt = self.content.check(text, "prompt", self.redaction)
        stream = self.content.stream(self.redaction)
        written = None
        if not prompt.is_blocked:
            pieces = stream_text(self.network, self.tokenizer, prompt.text, config)
            written = "".join(stream.filter(piece.text for piece in pieces))
        decisions = [decision.shown() for decision in (*prompt.decisions, *stream.decisions)]
        return {"continuation": None if stream.is_blocked else written, FILTERED: decisions}


# MLflow started its telemetry before it loaded this file, which imports textmill's opt-out.
mlflow.telemetry.set_telemetry_client()  # type: ignore[no-untyped-call]
mlflow.models.set_model(Backbone())
