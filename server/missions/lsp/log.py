"""The server's own log: a rotating file in the store, a short memory until that file is open, nothing on stderr.

Editors copy stderr into their own logs without bound, so only a crash of the interpreter shows there. Messages
name methods, ids and sizes; they never hold payloads, keys or texts of the user.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType

FILE_BYTES = 2 * 1024 * 1024
"""One file; one older part is kept beside it."""
KEPT_FILES = 20
"""Files of earlier servers that stay."""

_FORMAT = "%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s"


class ServerLog(logging.Handler):
    """Collects records in memory until :meth:`open` gives it a file."""

    def __init__(self, level: int = logging.INFO) -> None:
        super().__init__(level)
        self._memory: deque[logging.LogRecord] = deque(maxlen=500)
        self._file: logging.Handler | None = None
        self.path: Path | None = None
        """The open file."""

    def install(self) -> None:
        """Become the only handler of this process and take what nobody catches."""
        root = logging.getLogger()
        root.handlers[:] = [self]
        root.setLevel(self.level)
        for library in ("pygls", "watchfiles"):
            logging.getLogger(library).setLevel(max(self.level, logging.WARNING))
        logging.captureWarnings(True)
        logging.raiseExceptions = False
        sys.excepthook = self.crashed
        threading.excepthook = lambda args: logging.getLogger("missions").critical(
            "uncaught in thread %s", args.thread.name if args.thread else "?", exc_info=args.exc_value
        )

    def crashed(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """The interpreter ends with an error; without a file, stderr is the only place that keeps it."""
        logging.getLogger("missions").critical("uncaught", exc_info=(kind, error, trace))
        if self._file is None:
            sys.__excepthook__(kind, error, trace)

    def emit(self, record: logging.LogRecord) -> None:
        if self._file is None:
            self._memory.append(record)
        else:
            self._file.handle(record)

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def open(self, directory: Path) -> OSError | None:
        """Write to a new file in ``directory`` from now on; the reason when that is impossible."""
        from logging.handlers import RotatingFileHandler  # not needed before `initialize` is answered

        path = directory / f"lsp-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.log"
        try:
            for place in (directory.parent, directory):
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            _prune(directory)
            path.touch(mode=0o600)
            file = RotatingFileHandler(path, maxBytes=FILE_BYTES, backupCount=1, encoding="utf-8")
        except OSError as error:
            return error
        formatter = logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        file.setFormatter(formatter)
        self.acquire()
        try:
            while self._memory:
                file.handle(self._memory.popleft())
            self._file, self.path = file, path
        finally:
            self.release()
        return None


def incident(logger: logging.Logger, what: str, error: BaseException) -> str:
    """Log an error that is a bug, with its trace, and return the id that the user can quote."""
    number = secrets.token_hex(4)
    logger.error("incident %s: %s", number, what, exc_info=error)
    return number


def _prune(directory: Path) -> None:
    def changed(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    files = sorted(directory.glob("lsp-*.log*"), key=changed, reverse=True)
    for path in files[KEPT_FILES:]:
        path.unlink(missing_ok=True)
