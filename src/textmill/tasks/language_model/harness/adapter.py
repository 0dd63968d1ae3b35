"""A backbone as a model of lm-eval: likelihoods of texts, and completions.

lm-eval's own class for Hugging Face models reads only backbones of a family, and computes the
logits of all positions. This one reads any backbone, begins every text with END, as training does,
and computes the logits of what is scored alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from pydantic import ValidationError
from tqdm import tqdm

from textmill import model as models
from textmill.config import Accelerator, GenerationConfig
from textmill.corpus.tokens.tokenizer import END, END_ID, load_tokenizer
from textmill.errors import InputError
from textmill.tasks.language_model.continuations import Scored, Window, score_ends
from textmill.training.writing.text_batch import Text, TextBatch

DEFAULT_NEW_TOKENS = 256
"""Maximum tokens of a completion, unless the task says; the default of lm-eval."""
GREEDY = 0.0


class Backbone(TemplateLM):  # type: ignore[misc]
    """A backbone for lm-eval.

    Args:
        folder: of the model, as for `textmill.model.load`.
        accelerator: see `choose_device`.

    Raises:
        InputError: the folder is not a model with a tokenizer of textmill, or the machine lacks the
            device.
    """

    def __init__(self, folder: Path, accelerator: Accelerator = "auto") -> None:
        super().__init__()
        device = models.choose_device(accelerator, "pretrain")
        self.network = models.load(folder).to(device)
        self._text_tokenizer = load_tokenizer(folder, self.network.config.vocab_size)
        if self._text_tokenizer.id_to_token(END_ID) != END:
            raise InputError(
                f"{folder} has no tokenizer of textmill, whose texts begin with {END} as token "
                f"{END_ID}: evaluate the model of textmill pretrain pretrain.init_from={folder} "
                "pretrain.max_steps=0."
            )

    @property
    def eot_token_id(self) -> int:
        """The id of END."""
        return END_ID

    @property
    def max_length(self) -> int:
        """The context, in tokens."""
        block_size: int = self.network.config.block_size
        return block_size

    def get_model_info(self) -> dict[str, Any]:
        """Return what lm-eval records of the model besides its name."""
        n_parameters = sum(parameter.numel() for parameter in self.network.parameters())
        return {"model_num_parameters": n_parameters, "max_length": self.max_length}

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """Return the tokens of a text, after END unless special tokens are declined."""
        ids: list[int] = self._text_tokenizer.encode(string, add_special_tokens=False).ids
        return ids if add_special_tokens is False else [END_ID, *ids]

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """Return the log-likelihood of each text, in nats, without that of its end.

        Longer texts than the context are read in windows, each token with all of the context that
        one window holds.
        """
        texts = [self.tok_encode(request.args[0]) for request in requests]
        scored = self._score([(ids, len(ids) - 1) for ids in texts], disable_tqdm)
        return [log_likelihood for log_likelihood, _ in scored]

    def _loglikelihood_tokens(
        self,
        requests: list[tuple[tuple[str, str], list[int], list[int]]],
        disable_tqdm: bool = False,
        **kwargs: Any,
    ) -> list[Scored]:
        """Return the log-likelihood of each continuation, and whether decoding would give it."""
        pairs = [(context + more, len(more)) for _, context, more in requests]
        return self._score(pairs, disable_tqdm)

    def _score(self, texts: Sequence[Window], is_quiet: bool) -> list[Scored]:
        track = partial(tqdm, desc="likelihoods", disable=is_quiet or None)
        return score_ends(self.network, texts, track)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Return the completion of each prompt, which ends before a stop string or END."""
        batch = TextBatch(self.network, self._text_tokenizer)
        numbers: dict[Text, int] = {}
        for number, request in enumerate(requests):
            prompt, settings = request.args
            config = decoding_of(settings)
            # The end of the prompt that leaves room for the completion, but half of the context.
            room = max(self.max_length - config.max_new_tokens, self.max_length // 2)
            [text] = batch.add(self.tok_encode(prompt)[-room:], config)
            numbers[text] = number
        answers = [""] * len(requests)
        shown = tqdm(total=len(requests), desc="completions", disable=disable_tqdm or None)
        with shown as progress:
            while batch:
                for text, piece in batch.step():
                    answers[numbers[text]] += piece.text
                    progress.update(piece.reason is not None)
        return answers


def decoding_of(settings: Mapping[str, Any], task: str = "the task") -> GenerationConfig:
    """Return the configuration of a task's generation_kwargs.

    Args:
        settings: as lm-eval passes them on.
        task: its name, for messages.

    Raises:
        InputError: there is a setting that generation does not have, or a value out of range.
    """
    values = dict(settings)
    until = values.pop("until", None) or []
    stops = [until] if isinstance(until, str) else [stop for stop in until if stop]
    limits = [values.pop(name, None) for name in ("max_gen_toks", "max_new_tokens", "max_tokens")]
    limit = next((int(found) for found in limits if found), DEFAULT_NEW_TOKENS)
    temperature = values.pop("temperature", None)
    is_sampled = bool(values.pop("do_sample", temperature))
    top_k, top_p = values.pop("top_k", None), values.pop("top_p", None)
    if values.get("num_beams") == 1:  # no beam search
        del values["num_beams"]
    if values:
        raise InputError(
            f"generation_kwargs of {task}: {', '.join(map(str, values))} not supported; use until, "
            "max_gen_toks, do_sample, temperature, top_k and top_p."
        )
    heat = (1.0 if temperature is None else float(temperature)) if is_sampled else GREEDY
    try:
        return GenerationConfig(
            stop=tuple(stops),
            max_new_tokens=limit,
            temperature=heat,
            top_k=int(top_k) if top_k else None,
            top_p=float(top_p) if top_p else 1.0,
        )
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(
            f"generation_kwargs of {task}: {problem['loc'][0]}={problem['input']}: "
            f"{problem['msg']}."
        ) from None
