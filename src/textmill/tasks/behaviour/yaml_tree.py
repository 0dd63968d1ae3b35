"""YAML files of tests, whose errors name the line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from textmill.errors import InputError, listed

M = TypeVar("M", bound=BaseModel)
NodePath = Sequence[str | int]
"""Keys and indices that lead to a node, from the root."""


def read_tree(file: Path, content: str) -> YamlTree:
    """Return the content of a file.

    Args:
        file: in UTF-8.
        content: what it should contain, for the message about an empty one.

    Raises:
        InputError: it is missing or invalid; the message names the file, the line and the fix.
    """
    try:
        root = yaml.compose(file.read_text("utf-8-sig"), Loader=yaml.BaseLoader)
        if root is None:
            raise InputError(f"{file} is empty: write {content}, or remove the setting.")
        return YamlTree(file, root)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8: {error}: save it in UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{file}{line}: this is not valid YAML: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise InputError(f"{file} is not valid YAML: {error}") from None
    except RecursionError:
        raise InputError(f"{file} refers to itself, or is nested too deeply: fix it.") from None


class YamlTree:
    """A file with its nodes, in which all scalars are text.

    Args:
        file: for the messages.
        root: its composed content.

    Raises:
        InputError: a key is repeated, or no text.
        RecursionError: it refers to itself.
    """

    def __init__(self, file: Path, root: yaml.Node) -> None:
        self.file, self.root = file, root
        self.values = self._plain(root)

    def validated(self, model: type[M], place: NodePath = (), name: str = "") -> M:
        """Return the values of a node as a model.

        Args:
            model: its class.
            place: of the node.
            name: what the entry is called in the message.

        Raises:
            InputError: they are invalid.
        """
        values = self.values
        for part in place:
            values = values[part]
        try:
            return model.model_validate(values)
        except ValidationError as error:
            raise self._invalid(error, place, model.model_fields, name) from None

    def error(self, place: NodePath, name: str, what: str) -> InputError:
        """Return the error of a node.

        Args:
            place: of the node.
            name: what the entry is called; may be empty.
            what: what is wrong, without the full stop.
        """
        shown = f"{name}: " if name else ""
        return InputError(f"{self.place(place)}: {shown}{what}.")

    def place(self, place: NodePath) -> str:
        """Return FILE:LINE of the innermost node that a path leads to."""
        return f"{self.file}:{self._line(place)}"

    def _invalid(
        self, error: ValidationError, place: NodePath, known: Iterable[str], name: str
    ) -> InputError:
        """Return the error for the first problem that pydantic found."""
        problems = error.errors()
        # A misspelled setting is missing as well.
        unknown = [one for one in problems if one["type"] == "extra_forbidden"]
        problem = (unknown or problems)[0]
        loc = problem["loc"]
        key = ".".join(map(str, loc[:1]))
        match problem["type"]:
            case "extra_forbidden":
                what = f"{key} is not a setting: use {listed(known)}"
            case "missing":
                what = f"{key} is required: set it"
            case "value_error":
                what = problem["msg"].removeprefix("Value error, ").removesuffix(".")
            case _:
                given = "" if isinstance(problem["input"], dict | list) else problem["input"]
                shown = f"{key}={given!r}" if given != "" else key
                what = f"{shown}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
        return self.error((*place, *loc), name, what)

    def _line(self, place: NodePath) -> int:
        """Return the line of the innermost node that a path leads to."""
        node: yaml.Node | None = self.root
        line = int(self.root.start_mark.line)
        for part in place:
            if isinstance(node, yaml.MappingNode):
                found = {key.value: (key, value) for key, value in node.value}
                if part not in found:
                    break
                key, node = found[part]
                line = key.start_mark.line
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                if part >= len(node.value):
                    break
                node = node.value[part]
                line = node.start_mark.line
            else:
                break
        return line + 1

    def _plain(self, node: yaml.Node) -> Any:
        """Return the value of a node: scalars stay text, so that `no` and `1999` are words.

        Raises:
            InputError: a key is repeated, of which YAML would use the last.
        """
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item) for item in node.value]
        if not isinstance(node, yaml.MappingNode):
            return self._encodable(node)
        values: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(f"{self.file}:{line}: a key must be text: quote it.")
            if key.value in values:
                raise InputError(f"{self.file}:{line}: {key.value!r} is there twice: remove one.")
            values[key.value] = self._plain(value)
        return values

    def _encodable(self, node: yaml.Node) -> str:
        """Return the text of a node, unless it has one half of a surrogate pair."""
        text = str(node.value)
        try:
            text.encode()
        except UnicodeEncodeError:
            line = node.start_mark.line + 1
            raise InputError(f"{self.file}:{line}: {text!r} is not valid text: fix it.") from None
        return text
