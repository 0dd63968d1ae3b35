"""Families of models in the Hugging Face layout: their settings and the names of their weights."""

from textmill.model.families.family import Family
from textmill.model.families.gpt2 import GPT2
from textmill.model.families.gpt_neox import GPT_NEOX
from textmill.model.families.llama import LLAMA, QWEN2, QWEN3

FAMILIES = {family.model_type: family for family in (GPT2, LLAMA, QWEN2, QWEN3, GPT_NEOX)}
"""The families by the model_type in config.json; a model is saved as the first that it fits."""

__all__ = ["FAMILIES", "Family"]
