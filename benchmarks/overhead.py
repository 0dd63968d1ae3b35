"""What Prefect and MLflow cost: the demo as a flow beside the same step functions in one script.

    python benchmarks/overhead.py

Both run in fresh processes and folders; the flow's warm second run is timed too.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path


def bare(folder: Path) -> None:
    """Call the step functions of the demo one after the other, without Prefect and MLflow."""
    from flows.prepare import with_sample
    from textmill.compose import compose
    from textmill.config import PretrainStepConfig, TokensConfig
    from textmill.corpus.clean import clean
    from textmill.corpus.tokenizer import train_tokenizer
    from textmill.corpus.tokens import tokenize
    from textmill.sample.generate import generate
    from textmill.tasks.baseline import baseline
    from textmill.tasks.evaluate import evaluate
    from textmill.tasks.finetune import finetune
    from textmill.tracking.worker import keep_freed_memory, limit_kernel_cache
    from textmill.training.evaluate_lm import evaluate_lm
    from textmill.training.pretrain import pretrain

    limit_kernel_cache()
    keep_freed_memory()

    def out(name: str) -> Path:
        place = folder / name
        place.mkdir(parents=True)
        return place

    config = compose("demo")
    assert config.sample is not None
    sample = out("sample")
    generate(config.sample, {}, sample)
    config = with_sample(config, str(sample))
    corpus, tokenizer, tokens, backbone = map(out, ("corpus", "tokenizer", "tokens", "backbone"))
    clean(config.corpus, {}, corpus)
    train_tokenizer(config.tokenizer, {"corpus": corpus}, tokenizer)
    tokenize(TokensConfig(), {"corpus": corpus, "tokenizer": tokenizer}, tokens)
    step = PretrainStepConfig(model=config.model, pretrain=config.pretrain)
    pretrain(step, {"tokens": tokens, "tokenizer": tokenizer}, backbone, out("work"))
    evaluate_lm(config.generation, {"backbone": backbone, "tokens": tokens}, out("lm"))
    for task in config.tasks:
        baseline(task, {}, out(f"baseline-{task.name}"))
        model = out(f"model-{task.name}")
        finetune(task, {"backbone": backbone}, model, out(f"work-{task.name}"))
        evaluate(task, {"model": model}, out(f"scores-{task.name}"))


def timed_s(command: list[str], folder: Path) -> float:
    """Return the wall time of a command in a folder, in seconds."""
    started_s = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started_s


def main() -> None:
    """Time both ways and print the difference."""
    flow = [str(Path(sys.executable).with_name("textmill")), "run"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare_s = timed_s([sys.executable, __file__, "--bare", str(folder / "bare")], folder)
        flow_s = timed_s(flow, folder)
        again_s = timed_s(flow, folder)
    print(f"bare script     {bare_s:7.1f} s")
    print(f"textmill run    {flow_s:7.1f} s   ({flow_s - bare_s:+.1f} s)")
    print(f"unchanged again {again_s:7.1f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare(Path(sys.argv[2]))
    else:
        main()
