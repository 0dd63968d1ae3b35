"""Repair of a text: mojibake, HTML and white space, in time linear in its length."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from functools import partial

import ftfy
from ftfy import chardata
from ftfy.badness import is_bad
from lxml.html import defs

from textmill.config import CorpusConfig
from textmill.corpus.reading.html import main_content

_FTFY = ftfy.TextFixerConfig(
    unescape_html=False,  # strip_html does that, and only once
    uncurl_quotes=False,
    fix_character_width=False,  # full-width commas are the usual ones in Chinese
    fix_line_breaks=False,  # normalize_whitespace does that; here lines are repaired one by one
    normalization="NFC",
    explain=False,
)
# A line without any of these characters cannot be mojibake: they are all characters of the
# encodings supported by ftfy, except ASCII and ‘’“”–—…, which in no encoding are both a first and a
# continuation byte of a UTF-8 character. Beyond that, ftfy changes other characters only by NFC.
# Tests compare with ftfy.
_SUSPECT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\u052f\u2000-\u2012\u2015-\u2017\u201a\u201b\u201e-\u2025"
    "\u2027-\u25ff\ud800-\udfff\ue000-\uf8ff\ufb00-\ufb06\ufeff\ufff0-\uffff]"
)
# Characters that ftfy changes in any line; others change only in lines it finds bad, or by NFC.
_ALWAYS_CHANGED = re.compile(f"[{''.join(map(chr, chardata.CONTROL_CHARS | chardata.LIGATURES))}]")
# Embeddings, overrides and isolates (Unicode Standard Annex 9) can disguise a text: Boucher and
# Anderson 2021 ("Trojan Source"). Marks such as U+200F only affect their neighbours, and are kept.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Combining marks on one letter: sorting them for NFC takes quadratic time. No language needs more
# than 30 (Unicode Standard Annex 15, section 13: Stream-Safe Text Format).
_MARKS = "".join(c for c in map(chr, range(0x300, 0x20000)) if unicodedata.combining(c))
_PILED = re.compile(f"([{_MARKS}\u0f73\u0f75\u0f81]{{30}})[{_MARKS}\u0f73\u0f75\u0f81]+")
_MIN_PILED_CHARS = 2000  # in shorter lines, quadratic time is negligible
# ftfy keeps these, as C1 controls are evidence of mojibake. NEL (\x85), VT and FF are line breaks.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")

_LINE_BREAK = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_SPACE = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_SPACE_AT_END = re.compile(r"[ \t](?:\n|\Z)")
_BLANK_LINES = re.compile(r"\n{3,}")

# HTML 5 elements missing from lxml's list.
_TAGS = defs.tags | {"bdi", "dialog", "frame", "main", "nobr", "noframes", "picture", "template"}
# Elements that start a new line.
_LINE_TAGS = {"br", "dd", "dt", "hr", "li", "option", "td", "th", "tr"}
# Elements on their own lines. lxml classifies `del` and `ins` as blocks, but they occur within
# sentences.
_SECTION_TAGS = """
article aside body details dialog figcaption figure footer head header hgroup html main nav section
select summary textarea title
"""
_BLOCK_TAGS = (defs.block_tags - _LINE_TAGS - {"del", "ins"}) | set(_SECTION_TAGS.split())
# Boolean attributes; any other word without a value means that it is not a tag: "if a <b and c> d".
_BARE_NAMES = """
allowfullscreen async autofocus autoplay checked compact controls default defer disabled download
hidden inert ismap itemscope loop multiple muted nomodule noshade novalidate nowrap open playsinline
readonly required reversed selected
"""
_BARE_ATTRIBUTES = set(_BARE_NAMES.split())
_CUT_OUT = re.compile(r"<(?:(!--)|(script|style)\b[^<>]*+>)", re.IGNORECASE)
_END_OF = {
    kind: re.compile(end, re.IGNORECASE)
    for kind, end in {"!--": "-->", "script": r"</script\s*+>", "style": r"</style\s*+>"}.items()
}
# A tag never contains "<", not even in quotes, so that a failed match ends where the next starts.
_TAG = re.compile(
    r"""<(/?)([A-Za-z][A-Za-z0-9]*+)(?=[\s/>])((?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+)>"""
)
_DECLARATION = re.compile(r"<(?:!doctype|\?xml)\b[^<>]*+>", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"""([A-Za-z_:@][\w:.-]*+)(\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'<>`]++))?\s*+"""
)
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def cleaning_steps(
    config: CorpusConfig, *, is_html: bool = False
) -> dict[str, Callable[[str], str]]:
    """Return the changes to apply to a text, in order, by the names under which they are counted.

    White space is always normalised, and the result can always be encoded as UTF-8. For an HTML
    page, the first change raises `NoMainContent` if no content can be extracted.
    """
    steps: dict[str, Callable[[str], str]] = {}
    # HTML first: decoded character references may need repair.
    if is_html:
        # Tags left after extraction are part of the text, such as in a tutorial.
        steps["extracted_html"] = partial(main_content, config=config.html)
    elif config.strip_html:
        steps["stripped_html"] = strip_html
    if config.repair_unicode:
        steps["repaired_unicode"] = repair_unicode
    else:
        steps["replaced_surrogates"] = replace_surrogates
    return steps | {"normalized_whitespace": normalize_whitespace}


def repair_unicode(text: str) -> str:
    """Fix mojibake, remove control characters, and normalise to NFC.

    Curly quotes and full-width characters are kept. Embeddings, overrides and isolates of text
    direction are removed like other control characters.
    """
    if not _may_change(text):
        return text
    # ftfy works line by line and is slow: apply it only to lines that may need it.
    lines = replace_surrogates(text).split("\n")
    return "\n".join(_repair_line(line) if _may_change(line) else line for line in lines)


def _may_change(text: str) -> bool:
    return bool(_SUSPECT.search(text)) or not unicodedata.is_normalized("NFC", text)


def _repair_line(line: str) -> str:
    line = _BIDI.sub("", line)
    if (
        len(line) > _FTFY.max_decode_length  # ftfy splits the line and checks each part
        or is_bad(line)
        or _ALWAYS_CHANGED.search(line)
        or not unicodedata.is_normalized("NFC", line)
    ):
        line = _CONTROL.sub("", ftfy.fix_text(_without_piles(line), _FTFY))
    return line


def _without_piles(line: str) -> str:
    """Return a long line with at most 30 marks per letter, counted after fixing mojibake."""
    if len(line) < _MIN_PILED_CHARS:
        return line
    fixed = ftfy.fix_text(line, _FTFY._replace(normalization=None))
    return _PILED.sub(r"\1", fixed) if _PILED.search(fixed) else line


def replace_surrogates(text: str) -> str:
    """Combine surrogate pairs, and replace lone surrogates, invalid in UTF-8, by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def strip_html(text: str) -> str:
    """Remove HTML tags, comments, scripts and styles, then decode character references once.

    Only names of HTML elements with valid attributes count as tags: "a < b", "<3" and
    "List<String>" are kept. Tags of block elements become line breaks, others are removed.
    """
    if "<" in text:
        text = _cut_out(text)
        text = _TAG.sub(_tag_text, _DECLARATION.sub("", text))
    if "&" in text:
        text = _REFERENCE.sub(_character, text)
    return text


def _cut_out(text: str) -> str:
    """Remove comments, scripts and styles; unclosed ones are kept."""
    pieces: list[str] = []
    unclosed: set[str] = set()
    done = position = 0
    while match := _CUT_OUT.search(text, position):
        position = match.end()
        kind = (match[1] or match[2]).lower()
        # If no end was found, there is none further on: searching again would be quadratic.
        if kind in unclosed:
            continue
        end = _END_OF[kind].search(text, position)
        if end is None:
            unclosed.add(kind)
            continue
        pieces += [text[done : match.start()], "" if kind == "!--" else "\n"]
        done = position = end.end()
    return "".join(pieces) + text[done:]


def _tag_text(match: re.Match[str]) -> str:
    """Return the replacement of a tag: a line break, nothing, or itself if it is not HTML."""
    name = match[2].lower()
    if name not in _TAGS or not _are_attributes(match[3]):
        return match[0]
    is_end = match[1] == "/"
    return "\n" if name in _BLOCK_TAGS or (name in _LINE_TAGS and not is_end) else ""


def _are_attributes(text: str) -> bool:
    text = text.strip()
    position = 0
    while position < len(text):
        if text[position] in "/ ":
            position += 1
            continue
        match = _ATTRIBUTE.match(text, position)
        if match is None:
            return False
        name = match[1].lower()
        if match[2] is None and name not in _BARE_ATTRIBUTES and not name.startswith("data-"):
            return False
        position = match.end()
    return True


def _character(match: re.Match[str]) -> str:
    return html.unescape(match[0])


def normalize_whitespace(text: str) -> str:
    r"""Return the text with "\n" as line break, plain spaces, and at most one blank line in a row.

    Trailing spaces and spaces around the text are removed; tabs and indentation are kept for code
    and tables.
    """
    text = _LINE_BREAK.sub("\n", text)
    if not text.isascii():
        text = _SPACE.sub(" ", text)
    if _SPACE_AT_END.search(text):
        # A regular expression for trailing spaces is quadratic in long runs of spaces.
        text = "\n".join(line.rstrip(" \t") for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", text).strip(" \t\n")
