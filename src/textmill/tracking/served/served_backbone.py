"""A backbone as an MLflow pyfunc model, logged as code (never pickled)."""

from __future__ import annotations

from pathlib import Path

import mlflow.models
import mlflow.telemetry
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from textmill.config import GenerationConfig
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.model import choose_device, load
from textmill.safety.model_redaction import read_redaction
from textmill.safety.redaction import redact
from textmill.tracking.served.copies import check_copy
from textmill.training.writing import stream_text


class Backbone(PythonModel):
    """Predicts a completion for each text in the column `text` of a data frame."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights.

        Raises:
            RunError: a file of the model is missing or damaged.
        """
        folder = Path(context.artifacts["model"])
        check_copy(folder)
        self.network = load(folder).to(choose_device())
        self.tokenizer = load_tokenizer(folder, self.network.config.vocab_size)
        self.redaction = read_redaction(folder)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,
    ) -> pd.DataFrame:
        """Return the completions of the texts, in their order; params as in GenerationConfig."""
        config = GenerationConfig.model_validate(params or {})
        texts = [
            "".join(stream_text(self.network, self.tokenizer, prompt, config))
            for prompt in (redact(text, self.redaction)[0] for text in model_input["text"])
        ]
        return pd.DataFrame({"continuation": texts})


# MLflow started its telemetry before it loaded this file, which imports textmill's opt-out.
mlflow.telemetry.set_telemetry_client()  # type: ignore[no-untyped-call]
mlflow.models.set_model(Backbone())
