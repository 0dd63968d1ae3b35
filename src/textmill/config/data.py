"""Configuration of data: sample data, sources, cleaning, tokenizer."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from textmill.config.quality import QualityConfig
from textmill.config.settings import AUTO, NOT_IN_KEY, Encoding, Location, Settings


class SampleConfig(Settings):
    """Size of the generated sample data: the sample group of conf/demo.yaml."""

    seed: int = 0
    """Seed of the generator; the same seed gives the same bytes."""
    n_documents: int = Field(9000, ge=100)
    """Documents of raw text for pretraining, including those with planted defects."""
    n_train: int = Field(2000, ge=20)
    """Labelled training examples per task."""
    n_test: int = Field(500, ge=20)
    """Labelled test examples per task."""


class LimitsConfig(Settings):
    """Size limits of input files, so that none can exhaust the memory or the disk."""

    max_document_mib: int = Field(64, ge=1)
    """Maximum size of a line, record or document, in MiB; a larger one is rejected as a bad
    record."""
    max_unpacked_ratio: Annotated[int, NOT_IN_KEY] = Field(200, ge=1)
    """Maximum ratio of a file's decompressed to its compressed size, beyond which it is treated as
    a decompression bomb, an error; any file may decompress to 64 MiB."""
    max_row_group_mib: Annotated[int, NOT_IN_KEY] = Field(2048, ge=1)
    """Maximum decompressed size, in MiB, of the columns read from one row group of a Parquet file;
    a larger one is an error, as reading it may take as much memory."""


class TextFilesConfig(Settings):
    """Location of raw text, and how it is split into documents."""

    path: Location | None = None
    """File, folder or glob: .txt, .html, .jsonl, .csv, .tsv or .parquet, also as .gz or .zst."""
    text: str = "text"
    """Column of the text."""
    html: bool = False
    """Whether the text is HTML, of which the main content is extracted. Files that end in .html or
    .htm always are, and each is one document."""
    documents: Literal["file", "paragraph", "line"] = "file"
    """Unit of a document in a plain text file; paragraphs are separated by blank lines."""
    follow_links: Annotated[bool, NOT_IN_KEY] = False
    """Follow symbolic links out of the folder; otherwise such a link is an error."""
    encoding: Encoding = AUTO
    """Encoding of files without byte order mark, by its Python name, such as windows-1252 or
    gb18030; auto detects it per file, and falls back to UTF-8."""
    limits: LimitsConfig = LimitsConfig()


class SourceConfig(TextFilesConfig):
    """One source of raw text: an entry of corpus.sources."""

    name: str = Field(min_length=1)
    """Name of the source, stored with every document."""
    hub: Location | None = None
    """Id of a hub dataset, or a local dataset folder, to load with `datasets` instead of a path."""
    subset: str | None = None
    """Configuration name of the hub dataset."""
    split: str = "train"
    """Split of the hub dataset."""
    revision: str | None = None
    """Commit of the hub dataset; None uses the newest and records it."""
    language: str = "und"
    """BCP 47 language tag; "und" if unknown, "auto" to identify the language of each document."""
    weight: Annotated[float | None, NOT_IN_KEY] = Field(None, ge=0)
    """Share of the training tokens sampled from this source, independent of its size: 0.2 is a
    fifth. Sources without a weight split the rest in proportion to their sizes; if all have one,
    weights are normalised. Used by pretraining only: changing it does not recompute the corpus, and
    validation is not weighted."""
    licence: Annotated[str, NOT_IN_KEY] = Field("unknown", min_length=1)
    """Terms of use of the text, for the cards of the models trained on it."""
    join_chars: int = Field(0, ge=0)
    """Join consecutive paragraphs or lines until a document has this many characters; 0: never."""

    @model_validator(mode="after")
    def _path_or_hub(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError(f"source {self.name!r} needs a path or a hub id: set exactly one.")
        if self.html and self.join_chars:
            raise ValueError(
                f"source {self.name!r}: HTML pages cannot be joined: remove join_chars, or html."
            )
        return self


class HtmlConfig(Settings):
    """Extraction of the main content of HTML pages; pages beyond the limits are rejected."""

    favor: Literal["precision", "balanced", "recall"] = "precision"
    """Prefer to omit content (precision), or to keep boilerplate such as lists of links
    (recall)."""
    tables: bool = True
    """Keep tables, one row per line."""
    comments: bool = False
    """Keep readers' comments below an article."""
    max_chars: int = Field(5_000_000, ge=1)
    """Maximum characters of HTML in a page."""
    max_elements: int = Field(50_000, ge=1)
    """Maximum elements in a page; extraction time can be superlinear in them."""


class ExactDuplicatesConfig(Settings):
    """Dropping documents whose cleaned text was seen before."""

    enabled: bool = True


class NearDuplicatesConfig(Settings):
    """Dropping near duplicates of earlier documents.

    Two documents are candidates if all rows of one band of their MinHash signatures are equal. With
    similarity s of their sets of shingles that happens with probability 1 - (1 - s^rows)^bands.
    """

    enabled: bool = False
    ngram: int = Field(3, ge=1, le=64)
    """Words per shingle; in scripts without spaces every character counts as a word."""
    bands: int = Field(20, ge=1, le=1000)
    rows: int = Field(5, ge=1, le=100)
    """Permutations per band; a signature has bands * rows of them."""
    threshold: float = Field(0.6, gt=0, le=1)
    """Jaccard similarity of the sets of shingles from which a candidate is dropped. With 5 % of the
    words changed, sets of 3-grams have a similarity of about 0.75."""
    max_candidates: int = Field(64, ge=1)
    """Maximum comparisons per document: bounds the time on text from templates."""
    seed: int = 0
    """Seed of the permutations."""


class RepeatedLinesConfig(Settings):
    """Removing lines that occur in many documents, such as menus, notices and footers.

    Case, punctuation and the values of digits are ignored. It runs after the quality filters and
    exact duplicates, and before near duplicates: of many near copies of a document, all but the
    first few lose the lines that they share.
    """

    enabled: bool = False
    unit: Literal["line", "paragraph"] = "line"
    """Unit that is compared and removed; paragraphs are separated by blank lines."""
    max_documents: int = Field(3, ge=1, le=255)
    """Number of documents that keep a line, the first that contain it; CCNet uses 1."""
    min_words: int = Field(3, ge=1)
    """Minimum words of a line to remove; in scripts without spaces every character is a word."""


class TaskTextsConfig(Settings):
    """Training texts of the tasks, without their labels, as text of the corpus."""

    enabled: bool = False
    """Whether they are part of the corpus. Validation and test files never are."""
    weight: Annotated[float | None, NOT_IN_KEY] = Field(None, ge=0)
    """Share of the training tokens sampled from the texts of all tasks together, as for a source;
    the tasks split it in proportion to their sizes."""


class DecontaminationConfig(Settings):
    """Dropping documents that share an n-gram of words with the test set of a task."""

    enabled: bool | None = False
    """None: if the training texts of tasks are part of the corpus (`corpus.task_texts`)."""
    ngram: int = Field(13, ge=1, le=64)
    """Words per n-gram; in scripts without spaces every character counts as a word."""
    min_words: int = Field(8, ge=1)
    """Minimum words of a test example shorter than an n-gram, which is matched as a whole; one with
    fewer words only rejects documents that consist of it."""

    @model_validator(mode="after")
    def _short_is_shorter(self) -> Self:
        if self.min_words > self.ngram:
            raise ValueError(
                f"corpus.decontamination.min_words={self.min_words} is larger than ngram="
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
    """Kinds to replace: e-mail addresses, telephone numbers, IP addresses, payment cards, IBANs,
    national ids (China, USA), access keys, private keys, user names and passwords in URLs."""
    phone_regions: tuple[str, ...] = ("US", "GB", "DE", "CN")
    """ISO 3166 country codes whose national telephone number formats are recognised."""


UNREDACTED = RedactionConfig(enabled=False)
"""No redaction."""


class CorpusConfig(Settings):
    """Sources and cleaning of the corpus: the conf/corpus/ group."""

    sources: tuple[SourceConfig, ...] = ()
    """May be empty if tasks give text."""
    task_texts: TaskTextsConfig = TaskTextsConfig()
    repair_unicode: bool = True
    """Repair mojibake and other encoding errors with ftfy."""
    strip_html: bool = True
    """Remove HTML tags, scripts, styles and comments from text, and decode character references."""
    html: HtmlConfig = HtmlConfig()
    min_chars: int = Field(20, ge=1)
    """Minimum characters of a cleaned document."""
    languages: tuple[str, ...] = ()
    """Language tags of documents to keep; empty keeps all."""
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
    """Maximum share of a source's records that cannot be read; beyond it the step fails."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are named {name!r}: rename one.")
            if name.startswith(TASK_SOURCE):
                raise ValueError(
                    f"the source name {name!r} is reserved for the training texts of a task: "
                    "rename the source."
                )
        return self


TASK_SOURCE = "task:"
"""Prefix of the name of a task's training texts as a source of the corpus; by itself, all tasks'
in the weights of pretraining."""
BYTE_VOCAB_SIZE = 270
"""Vocabulary size of the byte tokenizer: 5 special tokens, 256 bytes, a placeholder per kind of
personal data."""


class SplitTextsConfig(Settings):
    """Location and columns of the texts of a split of a task."""

    name: str
    """Name of the task."""
    places: tuple[Location, ...] = Field(min_length=1)
    """One file, two line-aligned files, or the name of a hub split."""
    hub: Location | None = None
    subset: str | None = None
    revision: str | None = None
    encoding: Encoding = AUTO
    columns: tuple[str, ...] = Field(min_length=1)
    """Columns of text, or of lists of words."""
    languages: tuple[str, ...]
    """BCP 47 tag of each column, or auto."""


class TaskTextsStepConfig(Settings):
    """Configuration of the step task-texts."""

    train: tuple[SplitTextsConfig, ...]
    """Training splits, whose texts become part of the corpus."""
    test: tuple[SplitTextsConfig, ...]
    """Test splits, which the corpus is decontaminated from."""
    redaction: RedactionConfig
    max_bad_share: float = Field(ge=0, le=1)
    """As for a source of the corpus."""


class CleanConfig(CorpusConfig):
    """Configuration of the clean step."""

    task_texts: Annotated[TaskTextsConfig, NOT_IN_KEY] = TaskTextsConfig()
    """Its key contains the texts themselves, which are the result of the step task-texts."""
    task_texts_folder: Location | None = None
    """Result of the step task-texts, from which filters read the texts of tests. Filled in by the
    step clean."""


class OpenTokenizerConfig(Settings):
    """The tokenizer: the conf/tokenizer/ group. Every kind can encode any text.

    A size that is None is chosen for budget_minutes.
    """

    kind: Literal["bpe", "unigram", "byte", "character"] = "bpe"
    """Byte-level BPE as in GPT-2; a unigram language model over bytes; single bytes; or single
    characters, with rare ones encoded as bytes."""
    init_from: Location | None = None
    """Folder of a tokenizer.json to use, such as GPT-2's, instead of training one; bpe only."""
    vocab_size: int | None = Field(8192, ge=BYTE_VOCAB_SIZE)
    """Vocabulary size, including special tokens and the 256 bytes; for characters, the maximum."""
    min_frequency: int = Field(2, ge=1)
    """Minimum frequency of a pair (bpe) or character (character) to become a token."""
    max_bytes: int = Field(1 << 25, gt=0)
    """Maximum training text, in bytes; of a larger corpus, documents are sampled by their ids. BPE
    training takes about 40 bytes of memory per byte of distinct words, which is nearly all of a
    text in a script without spaces."""

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.kind == "byte" and self.vocab_size not in (None, BYTE_VOCAB_SIZE):
            raise ValueError(
                f"tokenizer.kind=byte has {BYTE_VOCAB_SIZE} entries, not "
                f"tokenizer.vocab_size={self.vocab_size}: set tokenizer.vocab_size="
                f"{BYTE_VOCAB_SIZE}, or use another kind."
            )
        if self.kind != "bpe" and self.init_from is not None:
            raise ValueError(
                f"tokenizer.init_from needs a byte-level BPE, and tokenizer.kind is {self.kind}: "
                "set tokenizer.kind=bpe, or remove init_from."
            )
        return self

    def sized(self) -> TokenizerConfig:
        """Return the same tokenizer, whose size must be set unless it is that of `init_from`."""
        values = dict(self)
        if self.vocab_size is None and self.init_from is not None:
            del values["vocab_size"]  # not used
        return TokenizerConfig(**values)


class TokenizerConfig(OpenTokenizerConfig):
    """A tokenizer whose size is set."""

    vocab_size: int = Field(8192, ge=BYTE_VOCAB_SIZE)
