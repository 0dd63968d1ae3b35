"""Datasets of the Hugging Face hub as records, and their commits.

datasets and huggingface_hub are imported where they are used, because tasks read JSON Lines on
machines without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.corpus.reading.columns import label_features
from textmill.corpus.reading.outcomes import BadRecord, Record, one_line
from textmill.corpus.reading.records import with_columns, with_label_names
from textmill.errors import InputError, RunError
from textmill.files import digest_file, digest_values

_COMMIT = re.compile(r"[0-9a-f]{40}")


def read_hub(
    hub: str,
    subset: str | None,
    split: str,
    revision: str | None,
    columns: Mapping[str, str] | None = None,
) -> Iterator[Record | BadRecord]:
    """Yield the records of one split of a hub dataset, or of a local dataset folder.

    Class labels (ClassLabel) are replaced by their names.

    Raises:
        InputError: There is no such dataset, subset, split or column, or its files are damaged.
        RunError: The hub cannot be reached.
    """
    import datasets

    is_local = Path(hub).is_dir()
    try:
        # A local folder is streamed: otherwise datasets copies it to its cache.
        rows = datasets.load_dataset(
            hub, subset, split=split, revision=None if is_local else revision, streaming=is_local
        )
        records = _hub_records(rows, f"{hub}:{split}")
        yield from with_columns(records, columns or {}, f"{hub}, split {split},")
    except InputError:
        raise
    except (ValueError, FileNotFoundError, datasets.exceptions.DatasetsError) as error:
        raise InputError(f"dataset {hub}: {one_line(error)}.") from error
    except OSError as error:
        raise RunError(
            f"dataset {hub} cannot be loaded ({one_line(error)}): try again when the hub is "
            "reachable, or use a local folder."
        ) from error


def digest_hub(hub: str, subset: str | None, revision: str | None, split: str = "") -> str:
    """Return a digest of a hub dataset or of one split; for a local folder, of its content.

    Raises:
        InputError: There is no such dataset or revision.
        RunError: The hub cannot be reached.
    """
    name = "" if Path(hub).is_dir() else hub
    return f"{name}/{subset or ''}/{split}@{hub_revision(hub, revision)}"


def hub_revision(hub: str, revision: str | None) -> str:
    """Return the commit of a revision of a hub dataset; None means the newest.

    For a local folder, it is a digest of its files. A full commit hash needs no network.

    Raises:
        InputError: There is no such dataset or revision.
        RunError: The hub cannot be reached.
    """
    folder = Path(hub)
    if folder.is_dir():
        names = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
        seen = {name: path for name, path in names.items() if not _is_hidden(name)}
        return digest_values({name.as_posix(): digest_file(path) for name, path in seen.items()})
    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        commit = HfApi().dataset_info(hub, revision=revision).sha
    except (RepositoryNotFoundError, RevisionNotFoundError, ValueError) as error:
        raise InputError(f"dataset {hub}, revision {revision}: {one_line(error)}.") from error
    except Exception as error:  # the HTTP library, and so the exceptions, depend on the version
        raise RunError(
            f"the commit of {hub} cannot be read from the hub ({one_line(error)}): "
            "set revision to the full commit hash."
        ) from error
    if commit is None:
        raise RunError(f"the hub returns no commit for {hub}: set revision to one.")
    return commit


def _is_hidden(relative: Path) -> bool:
    """Return whether a file or one of its parent folders has a name that begins with a dot."""
    return any(part.startswith(".") for part in relative.parts)


def _hub_records(rows: Any, name: str) -> Iterator[Record | BadRecord]:
    features = label_features(rows.features.to_dict()) if rows.features else {}
    for line, row in enumerate(rows, start=1):
        yield with_label_names(Record(row, name, line), features)
