"""Settings of a reduced demo that takes seconds, for benchmarks that read a store."""

from __future__ import annotations

SMALL = [
    "sample.n_documents=400",
    "sample.n_train=200",
    "sample.n_test=60",
    "tokenizer.vocab_size=600",
    "model.n_layer=2",
    "model.n_head=2",
    "model.n_embd=32",
    "model.block_size=64",
    "pretrain.max_steps=40",
    "pretrain.warmup_steps=4",
    "pretrain.micro_batch_size=8",
    "pretrain.validate_every_steps=20",
    "pretrain.validation_blocks=32",
    "finetune.epochs=2",
    "tasks.ner.finetune.epochs=12",
    "tasks.ner.finetune.learning_rate=0.01",
    "tasks.translation.finetune.epochs=8",
    "tasks.translation.finetune.candidates=[network]",
    "tasks.topic.finetune.candidates=[network]",
    "generation.max_new_tokens=8",
]
"""Overrides of demo.yaml."""
