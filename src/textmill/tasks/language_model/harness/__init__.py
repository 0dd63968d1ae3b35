"""Evaluation of backbones on the tasks of EleutherAI's lm-eval (Gao et al. 2021), an extra.

Only `logged_scores` can be imported without lm-eval.
"""

__all__ = ["adapter", "evaluation", "logged_scores", "task_files"]
