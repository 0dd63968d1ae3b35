"""What text goes in: sample data, sources, cleaning, tokenizer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from textmill.config.quality import QualityConfig
from textmill.config.settings import AUTO, NOT_IN_KEY, Encoding, Location, Settings
from textmill.errors import listed


class SampleConfig(Settings):
    """Size of the generated sample data: the sample group of conf/demo.yaml."""

    seed: int = 0
    """Seed of the generator; the same seed gives the same bytes."""
    n_documents: int = Field(9000, ge=100)
    """Documents of raw text for pretraining, planted dirt included."""
    n_train: int = Field(2000, ge=20)
    """Labelled training examples for each task."""
    n_test: int = Field(500, ge=20)
    """Labelled test examples for each task."""


class LimitsConfig(Settings):
    """How much a file may hold, so that none can fill the memory or the disk."""

    max_document_mib: int = Field(64, ge=1)
    """MiB of a line, record or document; a larger one is set aside as a bad record."""
    max_unpacked_ratio: Annotated[int, NOT_IN_KEY] = Field(200, ge=1)
    """Bytes that a compressed file may unpack to for each of its own, as more is the sign of a
    decompression bomb, which is an error; up to 64 MiB are allowed to any file."""
    max_row_group_mib: Annotated[int, NOT_IN_KEY] = Field(2048, ge=1)
    """MiB, unpacked, of the columns that are read in one row group of a Parquet file; a larger one
    is an error, as reading it may take as much memory."""


class TextFilesConfig(Settings):
    """Where raw text lies, and how documents are found in it."""

    path: Location | None = None
    """File, folder or glob: .txt, .html, .jsonl, .csv or .parquet, plain or as .gz or .zst."""
    text: str = "text"
    """Column that holds the text."""
    html: bool = False
    """The text is HTML, of which the main content is extracted. Files that end in .html or .htm
    always are, each one document."""
    documents: Literal["file", "paragraph", "line"] = "file"
    """What is one document in a plain text file; paragraphs are separated by blank lines."""
    follow_links: Annotated[bool, NOT_IN_KEY] = False
    """Read what symbolic links point to outside of the folder; otherwise such a link is an error.
    """
    encoding: Encoding = AUTO
    """Of files without byte order mark: a name that Python knows, such as windows-1252 or gb18030;
    auto detects that of each file, and keeps to UTF-8 where nothing is certain."""
    limits: LimitsConfig = LimitsConfig()


class SourceConfig(TextFilesConfig):
    """One source of raw text: an entry of corpus.sources."""

    name: str = Field(min_length=1)
    """Name of the source, kept with every document."""
    hub: Location | None = None
    """Hub data set id, or a local data set folder, to load through `datasets` instead of a path."""
    subset: str | None = None
    """Configuration name of the hub data set."""
    split: str = "train"
    """Split of the hub data set."""
    revision: str | None = None
    """Commit of the hub data set; None takes the newest and records which it was."""
    language: str = "und"
    """BCP 47 language tag; "und" when unknown, "auto" to identify that of each document."""
    weight: Annotated[float | None, NOT_IN_KEY] = Field(None, ge=0)
    """Share of the training tokens that is drawn from this source, whatever its size: 0.2 is a
    fifth. Sources without a weight have the rest, by their sizes; where all have one, the ratio
    counts. Only pretraining uses it: another weight cleans nothing anew, and validation is not
    weighted."""
    licence: Annotated[str, NOT_IN_KEY] = Field("unknown", min_length=1)
    """Under what terms the text may be used, for the cards of the models made from it."""
    join_chars: int = Field(0, ge=0)
    """Join consecutive paragraphs or lines until a document has this many characters; 0: never."""

    @model_validator(mode="after")
    def _path_or_hub(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError(
                f"source {self.name!r} needs either a path or a hub id: give exactly one."
            )
        if self.html and self.join_chars:
            raise ValueError(
                f"source {self.name!r}: HTML pages are not joined: leave out join_chars, or html."
            )
        return self


class HtmlConfig(Settings):
    """Extracting the main content of HTML pages; those beyond the limits are set aside."""

    favor: Literal["precision", "balanced", "recall"] = "precision"
    """Rather leave out content, or rather keep what may be none, such as lists of links."""
    tables: bool = True
    """Keep tables, a row on each line."""
    comments: bool = False
    """Keep what readers wrote below an article."""
    max_chars: int = Field(5_000_000, ge=1)
    """Characters of HTML in a page."""
    max_elements: int = Field(50_000, ge=1)
    """Elements in a page: the time that some take is more than linear in them."""


class ExactDuplicatesConfig(Settings):
    """Dropping documents whose cleaned text was seen before."""

    enabled: bool = True


class NearDuplicatesConfig(Settings):
    """Dropping documents that are nearly the same as one before.

    Two documents are candidates if all rows of one band of their MinHash signatures are equal. With
    similarity s of their sets of shingles that happens with probability 1 - (1 - s^rows)^bands.
    """

    enabled: bool = False
    ngram: int = Field(3, ge=1, le=64)
    """Words of a shingle; in scripts without spaces every character counts as a word."""
    bands: int = Field(20, ge=1, le=1000)
    rows: int = Field(5, ge=1, le=100)
    """Permutations in a band; a signature has bands * rows of them."""
    threshold: float = Field(0.6, gt=0, le=1)
    """Jaccard similarity of the sets of shingles from which a candidate is dropped. Where 5 % of
    the words are changed, a set of 3-grams keeps one of about 0.75."""
    max_candidates: int = Field(64, ge=1)
    """Documents that one is compared with at most: bounds the time on text from templates."""
    seed: int = 0
    """Seed of the permutations."""


class RepeatedLinesConfig(Settings):
    """Removing lines that stand in many documents, such as menus, notices and footers.

    Case, punctuation and which digits there are do not count. It comes after the quality filters
    and exact duplicates, and before near duplicates: of many near copies of a document, those after
    the first few lose the lines that they share.
    """

    enabled: bool = False
    unit: Literal["line", "paragraph"] = "line"
    """What is compared and removed; paragraphs are separated by blank lines."""
    max_documents: int = Field(3, ge=1, le=255)
    """Documents that keep a line, the first of those that hold it; 1 is what CCNet does."""
    min_words: int = Field(3, ge=1)
    """Shorter lines stay; in scripts without spaces every character counts as a word."""


class DecontaminationConfig(Settings):
    """Dropping documents that share a run of words with the test set of a task."""

    enabled: bool = False
    ngram: int = Field(13, ge=1, le=64)
    """Words of a run; in scripts without spaces every character counts as a word."""
    min_words: int = Field(8, ge=1)
    """A test example with fewer words than a run is looked for as a whole if it has so many."""

    @model_validator(mode="after")
    def _short_is_shorter(self) -> Self:
        if self.min_words > self.ngram:
            raise ValueError(
                f"corpus.decontamination.min_words={self.min_words} is more than ngram="
                f"{self.ngram}: lower it."
            )
        return self


RedactionKind = Literal[
    "email",
    "phone",
    "ip",
    "card",
    "iban",
    "national_id",
    "access_key",
    "private_key",
    "url_credentials",
]
"""A kind of personal data."""


class RedactionConfig(Settings):
    """Replacing personal data by typed placeholders."""

    enabled: bool = True
    kinds: tuple[RedactionKind, ...] = Field(get_args(RedactionKind), min_length=1)
    """What is replaced: e-mail addresses, telephone numbers, IP addresses, payment cards, IBANs,
    national ids (China, USA), access keys, private keys, user names and passwords in URLs."""
    phone_regions: tuple[str, ...] = ("US", "GB", "DE", "CN")
    """ISO 3166 countries, in capitals, whose national telephone number formats are recognised."""


UNREDACTED = RedactionConfig(enabled=False)
"""Texts stay as they are."""


class CorpusConfig(Settings):
    """What text goes in and how it is cleaned: the conf/corpus/ group."""

    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    repair_unicode: bool = True
    """Fix mojibake and other encoding accidents with ftfy."""
    strip_html: bool = True
    """Remove HTML tags, scripts, styles and comments from text, and decode character references."""
    html: HtmlConfig = HtmlConfig()
    min_chars: int = Field(20, ge=1)
    """Cleaned documents with fewer characters are dropped."""
    languages: tuple[str, ...] = ()
    """Language tags; documents in others are dropped. Empty keeps all."""
    exact_duplicates: ExactDuplicatesConfig = ExactDuplicatesConfig()
    near_duplicates: NearDuplicatesConfig = NearDuplicatesConfig()
    repeated_lines: RepeatedLinesConfig = RepeatedLinesConfig()
    quality: QualityConfig = QualityConfig()
    decontamination: DecontaminationConfig = DecontaminationConfig()
    redaction: RedactionConfig = RedactionConfig()
    filters: tuple[str, ...] = ()
    """Extensions that define further filters. Filled in from extensions."""
    validation_share: float = Field(0.05, gt=0, lt=1)
    """Share of documents held out for validation, chosen by the hash of the document id."""
    max_bad_share: float = Field(0.1, ge=0, le=1)
    """The step stops when more than this share of a source's records cannot be read."""

    @property
    def weights(self) -> dict[str, float]:
        """The weights of the sources that have one, by name."""
        return {one.name: one.weight for one in self.sources if one.weight is not None}

    @model_validator(mode="after")
    def _weights_leave_the_rest_something(self) -> Self:
        total = sum(self.weights.values())
        rest = [source.name for source in self.sources if source.weight is None]
        if self.weights and rest and total >= 1:
            raise ValueError(
                f"the weights of corpus.sources sum to {total:g}, which leaves nothing for "
                f"{listed(rest)}: lower them below 1, or give every source a weight."
            )
        if not rest and total == 0:
            raise ValueError("every source has weight 0: give one a weight above 0, or none any.")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are called {name!r}: give each its own name.")
        return self


BYTE_VOCAB_SIZE = 270
"""Entries of the byte tokenizer: 5 special tokens, 256 bytes, a placeholder for each kind of
personal data."""


class TestSetConfig(Settings):
    """The test set of a task, as far as documents are compared with it."""

    __test__: ClassVar[bool] = False  # no tests, whatever pytest thinks of the name

    name: str
    """Name of the task."""
    places: tuple[Location, ...] = Field(min_length=1)
    """The file, two files that belong together line by line, or the split's name on the hub."""
    hub: Location | None = None
    subset: str | None = None
    revision: str | None = None
    encoding: Encoding = AUTO
    columns: tuple[str, ...] = Field(min_length=1)
    """Columns that hold text, or lists of words."""


class CleanConfig(CorpusConfig):
    """What the clean step computes: the corpus, without what is in these test sets."""

    test_sets: tuple[TestSetConfig, ...] = ()


class TokenizerConfig(Settings):
    """How text becomes tokens: the conf/tokenizer/ group. Every kind can spell any text."""

    kind: Literal["bpe", "unigram", "byte", "character"] = "bpe"
    """Byte-level BPE as in GPT-2; a unigram language model over bytes; single bytes; or single
    characters, the rare ones as bytes."""
    init_from: Location | None = None
    """Folder with the tokenizer.json to use, such as GPT-2's, instead of training one; bpe only."""
    vocab_size: int = Field(8192, ge=BYTE_VOCAB_SIZE)
    """Entries of the vocabulary, special tokens and the 256 bytes included; for characters, the
    most that there can be."""
    min_frequency: int = Field(2, ge=1)
    """Pairs (bpe) or characters (character) seen less often get no token of their own."""
    max_bytes: int = Field(1 << 25, gt=0)
    """Most text that it is trained on, in bytes; of more, documents are chosen by their ids. A bpe
    takes some 40 bytes of memory for each byte of different words, which is nearly all of a text in
    a script without spaces."""

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.kind == "byte" and self.vocab_size != BYTE_VOCAB_SIZE:
            raise ValueError(
                f"tokenizer.kind=byte has {BYTE_VOCAB_SIZE} entries, not "
                f"tokenizer.vocab_size={self.vocab_size}: set tokenizer.vocab_size="
                f"{BYTE_VOCAB_SIZE}, or choose another kind."
            )
        if self.kind != "bpe" and self.init_from is not None:
            raise ValueError(
                f"tokenizer.init_from takes a byte-level BPE and tokenizer.kind is {self.kind}: "
                "set tokenizer.kind=bpe, or leave init_from out."
            )
        return self
