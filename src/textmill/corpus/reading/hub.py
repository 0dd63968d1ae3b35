"""Hub data sets as records, and the commit that they stand for.

datasets and huggingface_hub are imported where they are used, because tasks read JSON Lines on
machines without them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.corpus.reading.columns import with_names
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
    """Yield the records of one split of a hub data set, or of a local data set folder.

    Labels stored as numbers with names (ClassLabel) become their names.

    Raises:
        InputError: There is no such data set, subset, split or column, or its files are broken.
        RunError: The hub cannot be reached.
    """
    import datasets

    is_local = Path(hub).is_dir()
    try:
        # A local folder is streamed: otherwise datasets keeps a second copy of it in its cache.
        rows = datasets.load_dataset(
            hub, subset, split=split, revision=None if is_local else revision, streaming=is_local
        )
        records = _hub_records(rows, f"{hub}:{split}")
        yield from with_columns(records, columns or {}, f"{hub}, split {split},")
    except InputError:
        raise
    except (ValueError, FileNotFoundError, datasets.exceptions.DatasetsError) as error:
        raise InputError(f"data set {hub}: {one_line(error)}.") from error
    except OSError as error:
        raise RunError(
            f"data set {hub} cannot be loaded ({one_line(error)}): try again when the hub can be "
            "reached, or name a local folder."
        ) from error


def digest_hub(hub: str, subset: str | None, revision: str | None, split: str = "") -> str:
    """Return a digest of a hub data set or of one split; of a local folder, wherever it lies.

    Raises:
        InputError: There is no such data set or revision.
        RunError: The hub cannot be asked.
    """
    name = "" if Path(hub).is_dir() else hub
    return f"{name}/{subset or ''}/{split}@{hub_revision(hub, revision)}"


def hub_revision(hub: str, revision: str | None) -> str:
    """Return the commit that a revision of a hub data set stands for; None means the newest.

    For a local folder it is a digest of the files in it. A full commit hash needs no network.

    Raises:
        InputError: There is no such data set or revision.
        RunError: The hub cannot be asked.
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
        raise InputError(f"data set {hub}, revision {revision}: {one_line(error)}.") from error
    except Exception as error:  # which HTTP library, and so which errors, depends on the version
        raise RunError(
            f"the hub cannot be asked for the commit of {hub} ({one_line(error)}): "
            "set revision to the full commit hash that you want."
        ) from error
    if commit is None:
        raise RunError(f"the hub gives no commit for {hub}: set revision to one.")
    return commit


def _is_hidden(relative: Path) -> bool:
    """Whether a file, or a folder on the way to it, has a name that begins with a dot."""
    return any(part.startswith(".") for part in relative.parts)


def _hub_records(rows: Any, name: str) -> Iterator[Record | BadRecord]:
    features = with_names(rows.features.to_dict()) if rows.features else {}
    for line, row in enumerate(rows, start=1):
        yield with_label_names(Record(row, name, line), features)
