"""What an exported folder says about itself: README.md, and the record's origin of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from textmill.exporting.measuring import Measured, table

NAME = "README.md"


@dataclass(frozen=True)
class Export:
    """A model that was exported, and what was found out about it."""

    model: str
    """`backbone`, or the name of a task."""
    run_id: str
    """MLflow run of the step that trained it."""
    key: str | None
    """Of that step."""
    version: str | None
    """Registered version, if it is the champion."""
    form: str
    quantization: str
    difference: float
    """Maximum difference of outputs from torch on random inputs, relative to the largest above 1,
    before quantization."""
    measured: Sequence[Measured] = ()
    measured_on: str = ""

    def origin(self) -> Mapping[str, Any]:
        """Return the values of the record."""
        return asdict(self)


def summary(export: Export) -> str:
    """Return what was measured, in Markdown."""
    when = "" if export.quantization == "float32" else ", before quantization"
    text = f"Maximum difference from torch on random inputs: {export.difference:.2g}{when}.\n"
    if export.measured:
        on = f"\nMeasured on {export.measured_on}.\n" if export.measured_on else ""
        text += f"\n{table(export.measured)}{on}"
    return text


def readme(export: Export, usage: str, card: str | None) -> str:
    """Return the text of README.md.

    Args:
        export: the model.
        usage: how to use the folder, in Markdown.
        card: the model card, if there is one.
    """
    parts = [
        card or f"# {export.model}\n",
        f"## Use\n\n{usage}",
        f"## Export\n\n{summary(export)}",
        f"Exported by textmill from the MLflow run {export.run_id}.\n",
    ]
    return "\n".join(parts)


USAGE = {
    "hf": """A prompt begins with `<|endoftext|>`, as the texts of its training did.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(".")
tokenizer = AutoTokenizer.from_pretrained(".")
ids = tokenizer("<|endoftext|>The train", return_tensors="pt").input_ids
print(tokenizer.decode(model.generate(ids)[0]))
```
""",
    "onnx": """`pip install numpy onnxruntime tokenizers`. A prompt begins with `<|endoftext|>`, as
the texts of its training did. The likeliest tokens, one after another:

```python
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

session = onnxruntime.InferenceSession("model.onnx")
tokenizer = Tokenizer.from_file("tokenizer.json")
ids = tokenizer.encode("<|endoftext|>The train").ids
past = {
    one.name: np.zeros((1, one.shape[1], 0, one.shape[3]), np.float32)
    for one in session.get_inputs()[2:]
}
new = ids
for _ in range(20):
    mask = np.ones((1, len(ids)), np.int64)
    feeds = {"input_ids": np.array([new], np.int64), "attention_mask": mask, **past}
    logits, *present = session.run(None, feeds)
    past = dict(zip(past, present))
    new = [int(logits[0, -1].argmax())]
    if new == [0]:  # <|endoftext|>
        break
    ids = ids + new
print(tokenizer.decode(ids))
```

Several prompts of different lengths are padded at the beginning, with 0 in `attention_mask`
(batch, all tokens so far). Their tokens must fit into the context of the model.
""",
    "ctranslate2": """`pip install ctranslate2 tokenizers`. A prompt begins with `<|endoftext|>`, as
the texts of its training did.

```python
import ctranslate2
from tokenizers import Tokenizer

generator = ctranslate2.Generator(".")
tokenizer = Tokenizer.from_file("tokenizer.json")
tokens = tokenizer.encode("<|endoftext|>The train").tokens
[result] = generator.generate_batch([tokens], max_length=20, sampling_topk=1)
print(tokenizer.decode(result.sequences_ids[0]))
```
""",
    "task": """```
pip install -r requirements.txt
python predict.py "The team won the final."
```

prints one JSON object per text, as `textmill predict` does, without torch. A model with several
inputs, such as a question and its context, takes JSON objects instead:
`'{"question": "…", "context": "…"}'`. The code in `code/` cuts texts into the windows that the
network reads, and makes answers of its output.

For other languages: the labels, and what else the settings are, stand in `spec` of `task.json`,
and the tokenizer is `tokenizer.json`. A text begins with the token 0; of a pair, the first begins
with 3 and the second with 4.
""",
}
"""How to use each form of a backbone, and the graphs of a task."""
