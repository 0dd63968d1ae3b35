"""Rendering of a lineage as a text tree or as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from textmill.registry.lineage import UNSEARCHED, Lineage, Node

DIGEST_CHARS = 12
MAX_DOCUMENTS = 5  # named in a drawing
BRANCH, LAST, BAR, SPACE = "├─ ", "└─ ", "│  ", "   "


def to_dict(lineage: Lineage) -> dict[str, Any]:
    """Return the lineage as plain values, for JSON."""
    return asdict(lineage) | {"models_made": [node.run_id for node in lineage.models()]}


def render_tree(lineage: Lineage) -> str:
    """Return the lineage as a text tree; repeated steps are expanded once."""
    lines: list[str] = []
    shown: set[str] = set()

    def add(run_id: str, name: str, before: str, branch: str, below: str) -> None:
        node = lineage.nodes[run_id]
        role = "" if name in ("", run_id, node.label) else f"{name}: "
        if run_id in shown:
            lines.append(f"{before}{branch}{role}{node.label} (above)")
            return
        shown.add(run_id)
        lines.append(f"{before}{branch}{role}{describe(node)}")
        leaves = [f"{s.name}  {s.place}  {s.digest}" for s in node.sources]
        leaves += [f"filtered: {words}" for words in [filtered_words(node)] if words]
        leaves += _document_lines(lineage.documents.get(run_id, []))
        deeper = list(lineage.children_of(run_id).items())
        for i, leaf in enumerate(leaves):
            is_last = i == len(leaves) - 1 and not deeper
            lines.append(f"{before}{below}{LAST if is_last else BRANCH}{leaf}")
        for i, (role, other) in enumerate(deeper):
            is_last = i == len(deeper) - 1
            parts = (LAST, SPACE) if is_last else (BRANCH, BAR)
            add(other, role, before + below, *parts)

    for root in lineage.roots:
        add(root, "", "", "", "")
    return "\n".join([*lines, "", *_ending(lineage)])


def _document_lines(documents: list[str]) -> list[str]:
    shown = [f"read {document}" for document in documents[:MAX_DOCUMENTS]]
    n_more = len(documents) - len(shown)
    return [*shown, *([f"and {n_more:,} more such documents"] if n_more else [])]


def describe(node: Node) -> str:
    """Return a one-line description of a step's run."""
    models = "".join(f"  model {model}" for model in node.models)
    return f"{node.label}  run {node.run_id}  digest {node.digest[:DIGEST_CHARS]}{models}"


def filtered_words(node: Node) -> str:
    """Return a summary of what was filtered from a corpus; empty for other steps."""
    counts = node.filtered
    if not counts:
        return ""
    changes = ", ".join(
        f"{name.replace('_', ' ')} {value:,}"
        for name, value in counts.items()
        if value and not name.startswith("documents_")
    )
    kept = f"kept {counts['documents_kept']:,} of {counts['documents_read']:,} documents"
    return f"{kept}; {changes}" if changes else kept


def _ending(lineage: Lineage) -> list[str]:
    """Return the last lines: the models trained on a file, or code and packages of the steps."""
    if lineage.is_forward:
        models = lineage.models()
        listed = [f"  {describe(node)}" for node in models]
        first = f"To remove its influence, retrain these {len(models)} models:"
        unsearched = [f"{UNSEARCHED}{reason}" for reason in lineage.unsearched]
        return [first if models else "No model was trained on it.", *listed, *unsearched]
    made_by = {
        f"commit {node.commit or 'unknown'}, on {node.machine or 'an unknown machine'}, "
        f"Prefect run {node.prefect_flow_run or 'unknown'}": None
        for node in lineage.nodes.values()
    }
    packages = {
        f"{name} {version}": None
        for node in lineage.nodes.values()
        for name, version in node.packages.items()
    }
    return [f"Made by {words}" for words in made_by] + [f"With {', '.join(sorted(packages))}"]
