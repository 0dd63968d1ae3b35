"""The GPT in pure PyTorch: the model, generation, and the Hugging Face layout."""

from textmill.model.beam_search import Head, complete
from textmill.model.gpt import GPT
from textmill.model.kv_cache import KVCache
from textmill.model.layout import load, save
from textmill.model.placement import choose_device

__all__ = [
    "GPT",
    "Head",
    "KVCache",
    "attention",
    "choose_device",
    "complete",
    "continuous_batch",
    "families",
    "generation",
    "gpt",
    "layout",
    "load",
    "lora",
    "lstm",
    "save",
]
