"""The GPT in pure PyTorch: the model, generation, and the Hugging Face layout."""

from textmill.model.beam_search import Head, complete
from textmill.model.generation import generate
from textmill.model.gpt import GPT
from textmill.model.kv_cache import KVCache
from textmill.model.layout import load, save

__all__ = [
    "GPT",
    "Head",
    "KVCache",
    "attention",
    "complete",
    "generate",
    "gpt",
    "layout",
    "load",
    "lstm",
    "save",
]
