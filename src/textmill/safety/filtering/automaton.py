"""A finite automaton of many phrases, made deterministic as far as texts need it.

Every character of a text is looked at once from each place where a phrase may begin, whatever the
phrases are: unlike a regular expression of `re`, an automaton never goes back.

Source: Cox 2007, "Regular Expression Matching Can Be Simple And Fast", section "Caching the NFA".
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from textmill.safety.filtering.folding import LEET
from textmill.safety.filtering.phrases import Char, Choice, Part, Phrase, is_ideograph

MAX_TRANSITIONS = 200_000
"""Maximum number of transitions between states that are kept, whatever texts are sent."""
SPREAD = " .*~-"
"""What may stand between the letters of a word spelled out, or between ideographs."""
_SENTENCE_ENDS = frozenset(".!?;:")
_MAX_BETWEEN = 3  # characters between two words
_MAX_GAP = 5  # words
_MAX_GAP_IDEOGRAPHS = 8
_SIGNS: dict[str, str] = {}
for _sign, _letters in LEET.items():
    for _letter in _letters:
        _SIGNS[_letter] = _SIGNS.get(_letter, "") + _sign


def is_word(char: str) -> bool:
    """Return whether a folded character is part of a word of a script with spaces."""
    return "a" <= char <= "z" or "0" <= char <= "9"


def is_between(char: str) -> bool:
    """Return whether a folded character may stand between two words of a phrase."""
    return not char.isalnum() and char not in _SENTENCE_ENDS


def _is_letter(char: str) -> bool:
    return "a" <= char <= "z"


def _is_written(char: str) -> bool:
    """Return whether a folded character is part of a word, or a sign written for a letter."""
    return is_word(char) or char in LEET


_CLASSES = {
    "word": is_word,
    "letter": _is_letter,
    "written": _is_written,
    "between": is_between,
    "ideograph": is_ideograph,
}


@dataclass(eq=False, slots=True)
class Node:
    """A character that is expected, and what may follow it."""

    chars: str | None
    """The characters; None: any of a class; empty: none, as in the node of an end."""
    is_of_class: str = ""
    """The name of the class."""
    follow: list[Node] = field(default_factory=list)
    ends: Any = None
    """The label of the phrase, if this node stands for its end."""
    at_end_of_word: bool = False
    """Whether no letter may follow the end."""

    def takes(self, char: str) -> bool:
        """Return whether a folded character fits."""
        if self.chars is not None:
            return char in self.chars
        return _CLASSES[self.is_of_class](char)


class State:
    """A set of nodes that are expected next.

    Args:
        nodes: the nodes.
    """

    __slots__ = ("ends", "following", "nodes")

    def __init__(self, nodes: Iterable[Node]) -> None:
        kept = list(nodes)
        self.nodes = [node for node in kept if node.ends is None]
        self.ends: list[tuple[Any, bool]] = [
            (node.ends, node.at_end_of_word) for node in kept if node.ends is not None
        ]
        self.following: dict[str, State] = {}


DEAD = State(())


class Automaton:
    """The phrases of labelled lists, as states with transitions for characters.

    Args:
        phrases: labels and phrases.
        is_loose: accept disguised phrases too: repeated letters, signs for letters, and letters
            with something between them. More than what is disguised may be accepted.
    """

    def __init__(self, phrases: Iterable[tuple[Hashable, Phrase]], *, is_loose: bool) -> None:
        self._is_loose = is_loose
        words: list[Node] = []
        ideographs: list[Node] = []
        for label, phrase in phrases:
            for node in self._entries(phrase, self._end(label, phrase)):
                starts_anywhere = node.chars is not None and is_ideograph(node.chars[0])
                (ideographs if starts_anywhere else words).append(node)
        self.words = State(words)
        """Expected at the beginning of a word."""
        self.ideographs = State(ideographs)
        """Expected anywhere."""
        self._states: dict[frozenset[int], State] = {}
        self._n_transitions = 0

    def step(self, state: State, char: str) -> State:
        """Return the state after a character; `DEAD` if no phrase goes on with it."""
        known = state.following.get(char)
        if known is not None:
            return known
        nodes = {id(n): n for node in state.nodes if node.takes(char) for n in node.follow}
        following = DEAD
        if nodes:
            following = self._states.setdefault(frozenset(nodes), State(nodes.values()))
        if self._n_transitions >= MAX_TRANSITIONS:
            self._forget()
        self._n_transitions += 1
        state.following[char] = following
        return following

    def _forget(self) -> None:
        """Drop all transitions, and all states but the first ones."""
        self._states = {}
        self._n_transitions = 0
        self.words.following, self.ideographs.following = {}, {}

    def _end(self, label: Hashable, phrase: Phrase) -> list[Node]:
        at_end_of_word = not _ends_with_ideograph(phrase)
        end = Node("", ends=label, at_end_of_word=at_end_of_word)
        if not self._is_loose:
            return [end]
        # A letter after the last one may be the next of a word spelled out, or begin another.
        unknown = Node("", ends=label)
        return [end, Node(None, "word", [unknown])]

    def _entries(self, phrase: Phrase, follow: list[Node]) -> list[Node]:
        """Return the nodes that a phrase begins with, before the nodes that follow it."""
        for part in reversed(phrase):
            match part:
                case Choice():
                    alternatives = (self._entries(option, follow) for option in part.options)
                    entries = [node for nodes in alternatives for node in nodes]
                    follow = list({id(node): node for node in entries}.values())
                case Char():
                    follow = self._char(part, follow)
                case Part.SPACE:
                    follow = self._between(follow)
                case Part.JOIN:
                    follow = [*follow, *self._between(follow, 1)]
                case Part.APOSTROPHE:
                    follow = [*follow, Node("'", follow=follow)]
                case Part.ENDING:
                    follow = [*follow, *self._word(follow)]
                case Part.GAP:
                    follow = self._gap(follow)
        return follow

    def _char(self, part: Char, follow: list[Node]) -> list[Node]:
        spread = self._repeated(Node(SPREAD), follow)
        if not self._is_loose:
            chars = f"{part.char}*" if part.is_inner_vowel else part.char
            return [Node(chars, follow=[*follow, spread] if is_ideograph(part.char) else follow)]
        node = Node(f"{part.char}*{_SIGNS.get(part.char, '')}")
        return [self._repeated(node, [*follow, spread])]

    def _between(self, follow: list[Node], most: int = _MAX_BETWEEN) -> list[Node]:
        """Return what stands for up to `most` characters between words."""
        if self._is_loose:
            return [self._repeated(Node(None, "between"), follow)]
        entries: list[Node] = []
        for _ in range(most):
            entries = [Node(None, "between", [*follow, *entries])]
        return entries

    def _gap(self, follow: list[Node]) -> list[Node]:
        words = ideographs = follow
        for _ in range(_MAX_GAP):
            words = [*follow, *self._between(self._word(words))]
        for _ in range(_MAX_GAP_IDEOGRAPHS):
            ideographs = [*follow, Node(None, "ideograph", ideographs)]
        return [*words, *ideographs[len(follow) :]]

    def _word(self, follow: list[Node]) -> list[Node]:
        """Return what stands for any word: as in the text, or with its disguise undone."""
        if not self._is_loose:
            return [self._repeated(Node(None, "word"), follow)]
        spelled_out = Node(None, "letter")
        spelled_out.follow = [*follow, Node(SPREAD, follow=[spelled_out])]
        return [self._repeated(Node(None, "written"), follow), spelled_out]

    def _repeated(self, node: Node, follow: list[Node]) -> Node:
        node.follow = [*follow, node]
        return node


def _ends_with_ideograph(phrase: Phrase) -> bool:
    if not phrase or isinstance(phrase[-1], Part):
        return False
    last = phrase[-1]
    if isinstance(last, Choice):
        return all(map(_ends_with_ideograph, last.options))
    return is_ideograph(last.char)


def first_chars(automaton: Automaton, state: State, most: int) -> Iterator[str]:
    """Yield the beginnings of all phrases after a state, of at most this many characters."""
    if not most or state.ends or any(node.chars is None for node in state.nodes):
        yield ""
        return
    for char in sorted({char for node in state.nodes for char in node.chars or ""}):
        following = automaton.step(state, char)
        yield from (char + rest for rest in first_chars(automaton, following, most - 1))
