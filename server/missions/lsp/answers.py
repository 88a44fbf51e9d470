"""Errors as JSON-RPC answers: always a code, a sentence and the next step, never a stack trace.

The ``data`` of every error is a :class:`missions.lsp.protocol.ErrorData`. It sends nothing.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcMethodNotFound

from missions.lsp.log import incident
from missions.lsp.payload import to_json
from missions.lsp.protocol import ErrorData
from missions.model.errors import ErrorCode, MissionError, too_many_files

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_INITIALIZED = -32002
REQUEST_CANCELLED = -32800
REQUEST_FAILED = -32803

_CODES: dict[ErrorCode, int] = {
    "bad_argument": INVALID_PARAMS,
    "cancelled": REQUEST_CANCELLED,
    "internal": INTERNAL_ERROR,
}

BY_THE_CLIENT = "$/cancelRequest"
"""The message of a cancellation that the client asked for; all others come from the end of the server."""

_log = logging.getLogger(__name__)


def problem(
    code: int, message: str, kind: ErrorCode = "bad_argument", next_step: str = ""
) -> types.ResponseError:
    """An answer to something that is not a usable request."""
    return _answer(code, MissionError(kind, message, next_step))


def response_error(error: BaseException, what: str) -> types.ResponseError:
    """The answer for any error; one that is a bug is logged with an id, and only the id is shown."""
    if isinstance(error, MissionError):
        return _answer(_CODES.get(error.code, REQUEST_FAILED), error)
    if isinstance(error, asyncio.CancelledError):
        return problem(REQUEST_CANCELLED, "The request was cancelled.", "cancelled")
    if isinstance(error, JsonRpcMethodNotFound):
        return problem(METHOD_NOT_FOUND, "The server does not know this method.", "unsupported")
    if isinstance(error, JsonRpcException) and error.code != INTERNAL_ERROR:
        return problem(error.code, error.message.splitlines()[0][:500])
    if (scarce := too_many_files(error)) is not None:
        return _answer(REQUEST_FAILED, scarce)
    number = incident(_log, what, error)
    step = f"Look for {number} in the server's log, and quote it in a report."
    return _answer(
        INTERNAL_ERROR, MissionError("internal", "Something went wrong inside Missions.", step, id=number)
    )


def bad_params(method: str, error: BaseException) -> MissionError:
    """Parameters of a standard method that do not fit their type."""
    return MissionError(
        "bad_argument",
        f"The parameters of “{method[:80]}” do not have the form that the protocol asks for.",
        "Send them as the LSP specification says.",
        detail=_places(error)[:5],
    )


def _places(error: BaseException) -> list[str]:
    """Which fields did not fit, from the library's nested errors; without their values."""
    found: list[str] = []
    parts: tuple[Any, ...] = getattr(error, "exceptions", ())
    for part in parts:
        notes: list[str] = [str(note) for note in getattr(part, "__notes__", [])]
        found += [note.rsplit(" ", 1)[-1] for note in notes[:1]]
        found += _places(part)
    return found


def _answer(code: int, error: MissionError) -> types.ResponseError:
    data = ErrorData(code=error.code, message=error.message, next_step=error.next_step, data=error.data)
    return types.ResponseError(code=code, message=str(error), data=to_json(data))
