"""What text goes in: sample data, sources, cleaning, tokenizer."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from textmill.config.settings import NOT_IN_KEY, Location, Settings


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


class SourceConfig(Settings):
    """One source of raw text: an entry of corpus.sources."""

    name: str = Field(min_length=1)
    """Name of the source, kept with every document."""
    path: Location | None = None
    """File, folder or glob: .txt, .jsonl, .csv or .parquet, plain or as .gz or .zst."""
    hub: Location | None = None
    """Hub data set id, or a local data set folder, to load through `datasets` instead of a path."""
    subset: str | None = None
    """Configuration name of the hub data set."""
    split: str = "train"
    """Split of the hub data set."""
    revision: str | None = None
    """Commit of the hub data set; None takes the newest and records which it was."""
    text: str = "text"
    """Column that holds the text."""
    language: str = "und"
    """BCP 47 language tag; "und" when unknown."""
    licence: Annotated[str, NOT_IN_KEY] = Field("unknown", min_length=1)
    """Under what terms the text may be used, for the cards of the models made from it."""
    documents: Literal["file", "paragraph", "line"] = "file"
    """What is one document in a plain text file; paragraphs are separated by blank lines."""
    join_chars: int = Field(0, ge=0)
    """Join consecutive paragraphs or lines until a document has this many characters; 0: never."""

    @model_validator(mode="after")
    def _path_or_hub(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError(
                f"source {self.name!r} needs either a path or a hub id: give exactly one."
            )
        return self


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
    """Words of a shingle; in scripts without blanks every character counts as a word."""
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


class RedactionConfig(Settings):
    """Replacing personal data by typed placeholders."""

    enabled: bool = True
    phone_regions: tuple[str, ...] = ("US", "GB", "DE")
    """ISO 3166 countries, in capitals, whose national telephone number formats are recognised."""


class CorpusConfig(Settings):
    """What text goes in and how it is cleaned: the conf/corpus/ group."""

    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    repair_unicode: bool = True
    """Mend mojibake and other encoding accidents with ftfy."""
    strip_html: bool = True
    """Remove HTML tags, scripts, styles and comments, and decode character references."""
    min_chars: int = Field(20, ge=1)
    """Cleaned documents with fewer characters are dropped."""
    exact_duplicates: ExactDuplicatesConfig = ExactDuplicatesConfig()
    near_duplicates: NearDuplicatesConfig = NearDuplicatesConfig()
    redaction: RedactionConfig = RedactionConfig()
    validation_share: float = Field(0.05, gt=0, lt=1)
    """Share of documents held out for validation, chosen by the hash of the document id."""
    max_bad_share: float = Field(0.1, ge=0, le=1)
    """The step stops when more than this share of a source's records cannot be read."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are called {name!r}: give each its own name.")
        return self


class TokenizerConfig(Settings):
    """Byte-level BPE: the conf/tokenizer/ group."""

    init_from: Location | None = None
    """Folder with the tokenizer.json to use, such as GPT-2's, instead of training one."""
    vocab_size: int = Field(8192, ge=300)
    """Entries of the vocabulary, special tokens and the 256 bytes included."""
    min_frequency: int = Field(2, ge=1)
    """Pairs seen less often are not merged."""
