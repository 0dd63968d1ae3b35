"""Generation for several threads at once, such as the requests of a server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from textmill.config import GenerationConfig
from textmill.errors import RunError
from textmill.model import GPT
from textmill.model.continuous_batch import Prompt
from textmill.training.writing.text_batch import (
    MAX_TEXTS,
    AnyPrompt,
    Piece,
    Text,
    TextBatch,
    as_prompt,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

log = logging.getLogger(__name__)


class Stream(Iterator[Piece]):
    """The texts of a request, piece by piece; iteration ends with the last text, or if cancelled.

    As a context manager, it cancels the request on exit, unless all texts have ended.
    """

    def __init__(
        self,
        engine: Engine,
        prompt: Prompt,
        config: GenerationConfig,
        notify: Callable[[], None],
    ) -> None:
        self.prompt = prompt
        self.config = config
        self._notify = notify
        self.n_tokens = [0] * config.samples
        """Tokens generated for each text, as far as it was read; see `Piece`."""
        self.reasons: list[str | None] = [None] * config.samples
        """Why each text ended, as far as it was read: stop or length."""
        self._engine = engine
        self._pieces: SimpleQueue[Piece | RunError | None] = SimpleQueue()
        self._is_over = False

    def __next__(self) -> Piece:
        return self.get()

    def get(self, timeout_s: float | None = None) -> Piece:
        """Return the next piece.

        Raises:
            StopIteration: there is none, as all texts have ended or the request was cancelled.
            TimeoutError: there is none yet.
            RunError: generation failed.
        """
        if self._is_over:
            raise StopIteration
        try:
            piece = self._pieces.get(timeout=timeout_s)
        except Empty:
            raise TimeoutError(f"no text within {timeout_s:g} s.") from None
        if not isinstance(piece, Piece):
            self._is_over = True
            raise piece or StopIteration
        self.n_tokens[piece.sample] = piece.n_tokens
        self.reasons[piece.sample] = piece.reason
        self._is_over = None not in self.reasons
        return piece

    def cancel(self) -> None:
        """Stop generation, as nobody reads the texts any more; from any thread, at any time."""
        self._engine.cancel(self)

    def put(self, piece: Piece | RunError | None) -> None:
        """Add a piece, or the end; called by the engine."""
        self._pieces.put(piece)
        self._notify()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_over:
            self.cancel()


class _Cancelled(NamedTuple):
    """The command to stop a request."""

    stream: Stream


class Engine:
    """Generates the texts of all requests in one batch, in a thread of its own.

    Requests join the batch and leave it at any token. All methods may be called from any thread,
    and return at once.

    Args:
        network: in eval mode, on its device; nothing else may change its weights.
        tokenizer: that of the network.
        max_texts: texts generated at a time; further ones wait in their order. Each takes memory
            for the keys and values of a whole context.
        max_tokens: length of the context of a text, if it is shorter than that of the network.
    """

    def __init__(
        self,
        network: GPT,
        tokenizer: Tokenizer,
        max_texts: int = MAX_TEXTS,
        max_tokens: int | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self._new_batch = partial(TextBatch, network, tokenizer, max_texts, max_tokens)
        self._commands: SimpleQueue[Stream | _Cancelled | None] = SimpleQueue()
        self._lock = threading.Lock()  # no request follows the command to close
        self._is_closed = False
        self._batch = self._new_batch()
        self._streams: dict[Text, Stream] = {}
        self._thread = threading.Thread(target=self._run, name="generation", daemon=True)
        self._thread.start()

    @property
    def n_active(self) -> int:
        """Number of texts that are being generated."""
        return len(self._batch.active)

    @property
    def n_waiting(self) -> int:
        """Number of texts that wait until others have ended, and of requests not yet seen."""
        return len(self._batch.waiting) + self._commands.qsize()

    def submit(
        self,
        prompt: AnyPrompt,
        config: GenerationConfig,
        notify: Callable[[], None] = lambda: None,
    ) -> Stream:
        """Return the texts of a prompt, as they are generated.

        Args:
            prompt: a text, or its token ids.
            config: how to generate.
            notify: called by the engine's thread after each new piece, and at the end.

        Raises:
            InputError: the prompt is empty, has unknown tokens, or is longer than a context that
                does not slide.
            RunError: the engine has been closed.
        """
        prompt = as_prompt(self.tokenizer, prompt)
        self._batch.check(prompt, config)
        stream = Stream(self, prompt, config, notify)
        with self._lock:
            if self._is_closed:
                raise RunError("the model is being unloaded: send the request again.")
            self._commands.put(stream)
        return stream

    def cancel(self, stream: Stream) -> None:
        """Stop generating the texts of a request; its iteration ends."""
        self._commands.put(_Cancelled(stream))

    def close(self, timeout_s: float | None = None) -> None:
        """Finish the requests so far, and end the thread; those not finished in time are ended."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._commands.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            for stream in [*self._streams.values()]:
                stream.cancel()
            self._thread.join()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        is_closing = False
        while not is_closing or self._batch:
            for command in self._new_commands(not self._batch and not is_closing):
                match command:
                    case Stream():
                        self._begin(command)
                    case _Cancelled(stream):
                        self._end(stream)
                    case None:
                        is_closing = True
            if self._batch:
                self._step()

    def _new_commands(self, is_idle: bool) -> Iterator[Stream | _Cancelled | None]:
        """Yield the commands since the last step; wait for one if there is nothing to do."""
        try:
            yield self._commands.get(block=is_idle)
            while True:
                yield self._commands.get_nowait()
        except Empty:
            return

    def _begin(self, stream: Stream) -> None:
        self._streams |= dict.fromkeys(self._batch.add(stream.prompt, stream.config), stream)

    def _end(self, stream: Stream) -> None:
        for text in [text for text, of in self._streams.items() if of is stream]:
            self._batch.remove(text)
            del self._streams[text]
        stream.put(None)

    def _step(self) -> None:
        try:
            pieces = self._batch.step()
        except Exception as error:  # whatever it is, the other requests must not wait forever
            log.exception("generation failed")
            for stream in {*self._streams.values()}:
                stream.put(RunError(f"generation failed: {error}"))
            self._streams.clear()
            self._batch = self._new_batch()
            return
        for text, piece in pieces:
            self._streams[text].put(piece)
            if piece.reason is not None:
                del self._streams[text]
