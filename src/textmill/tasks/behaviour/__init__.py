"""Behaviour tests of trained models: written as data, filled in, run and judged."""

__all__ = [
    "attributes",
    "cases",
    "counterfactuals",
    "group_differences",
    "group_scores",
    "judging",
    "perturbations",
    "suite",
    "templates",
    "testing",
    "verdicts",
    "whole_words",
    "yaml_tree",
]
