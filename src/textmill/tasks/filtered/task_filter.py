"""Content filters around a model that writes texts: around its inputs, and around what it writes.

Serving, batch prediction and MLflow's models check with them, and differ in what they do about an
input that is blocked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textmill.config import RedactionConfig
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.safety.filtering.decisions import Decision
from textmill.tasks.inputs import Input
from textmill.tasks.kinds import answers_of

if TYPE_CHECKING:
    from textmill.tasks.ensemble.predictor import Predictor

FILTERED = "filtered"
"""Field of a prediction with the decisions of the filters."""


@dataclass(frozen=True)
class CheckedInput:
    """An input after the filters."""

    given: Input
    """With what was masked."""
    decisions: tuple[Decision, ...]

    @property
    def is_blocked(self) -> bool:
        """Whether a filter blocked it: the model must not get it."""
        return any(decision.action == "block" for decision in self.decisions)


@dataclass(frozen=True)
class TaskFilter:
    """The filters of a model that writes texts, and the redaction of what it was trained on."""

    content: ContentFilter
    written: str
    """The field of a prediction with the text: `Answers.WRITES`."""
    redaction: RedactionConfig

    def check_input(self, given: Input) -> CheckedInput:
        """Return an input after the filters; each of its texts is checked as a prompt."""
        if not isinstance(given, Mapping):
            checked = self.content.check(str(given), "prompt", self.redaction)
            return CheckedInput(checked.text, checked.decisions)
        texts = {
            name: self.content.check(str(text), "prompt", self.redaction)
            for name, text in given.items()
        }
        decisions = (decision for text in texts.values() for decision in text.decisions)
        return CheckedInput({name: text.text for name, text in texts.items()}, tuple(decisions))

    def check_output(
        self, prediction: Mapping[str, Any], found: Sequence[Decision] = ()
    ) -> dict[str, Any]:
        """Return a prediction with its text after the filters, and with all decisions.

        A text in which something was blocked is None: half a translation would look like a whole
        one.

        Args:
            prediction: has the text.
            found: the decisions about its input.
        """
        checked = self.content.check(prediction[self.written], "output", self.redaction)
        decisions = [decision.shown() for decision in (*found, *checked.decisions)]
        text = None if checked.is_blocked else checked.text
        return {**prediction, self.written: text, FILTERED: decisions}

    def predict(
        self, predictor: Predictor, inputs: Sequence[Input]
    ) -> tuple[list[CheckedInput], list[dict[str, Any]]]:
        """Return the inputs and the predictions for them after the filters, in their order.

        What is blocked has no text: neither that for a blocked input, nor a blocked one.
        """
        checked = [self.check_input(given) for given in inputs]
        written = iter(predictor([one.given for one in checked if not one.is_blocked]))
        predictions = [
            {self.written: None, FILTERED: [decision.shown() for decision in one.decisions]}
            if one.is_blocked
            else self.check_output(next(written), one.decisions)
            for one in checked
        ]
        return checked, predictions


def task_filter(kind: str, redaction: RedactionConfig, content: ContentFilter) -> TaskFilter | None:
    """Return the filters of a model of a kind of task; None: it writes no texts."""
    written = answers_of(kind).WRITES
    return None if written is None else TaskFilter(content, written, redaction)
