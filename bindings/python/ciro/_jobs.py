"""Shows what happens inside of the library: in `logging`, and in a progress bar."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any, Optional

logger = logging.getLogger("ciro")

# The stages of the library in the user's words.
_TITLES = {
    "quantize": "quantizing",
    "prepare": "committing to the model",
    "run": "running the model",
    "witness": "writing the witness",
    "commit": "committing",
    "interaction": "wiring",
    "stark": "proving",
    "verify": "verifying",
}


class Job:
    """Observes one call of the extension module: `with Job("prove", progress) as observer: _ciro.call(..., observer)`.

    Stages are logged at level DEBUG when they end. Nothing is observed if nobody looks: the observer is `None` then.
    """

    def __init__(self, title: str, progress: bool) -> None:
        self._title = title
        self._progress = progress
        self._bar: Optional[Any] = None

    def __enter__(self) -> Optional[Job]:
        if self._progress:
            from tqdm.auto import tqdm

            self._bar = tqdm(desc=self._title, unit=" stages", leave=True)
        return self if self._progress or logger.isEnabledFor(logging.WARNING) else None

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str("done" if kind is None else "stopped")
            self._bar.close()

    def __call__(self, kind: str, name: str, value: float) -> None:
        """Takes an event: (`begin`, stage, 0), (`end`, stage, seconds), or (source, message, level)."""
        if kind == "begin":
            if self._bar is not None:
                self._bar.set_postfix_str(_TITLES.get(name, name))
        elif kind == "end":
            logger.debug("%s: %s took %.1f ms", self._title, name, value * 1e3)
            if self._bar is not None:
                self._bar.update()
        else:
            logging.getLogger(kind.replace("::", ".").replace("_", ".", 1)).log(int(value), "%s", name.strip())
