"""The pygls protocol with its repairs: what comes in is checked, what goes out never blocks, every error is typed.

Pinned to pygls 2.1.1, whose faults it repairs (all have a test in ``tests/lsp``): ``shutdown`` while a command
runs, cancelling commands, answers to malformed requests, own methods as typed payloads instead of namedtuples,
stack traces in answers, notifications that leak an entry each, messages before ``initialize`` and after
``shutdown``. It knows no operation and reads no file.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import uuid
from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method

from missions.lsp import protocol
from missions.lsp.answers import (
    BY_THE_CLIENT,
    INVALID_REQUEST,
    NOT_INITIALIZED,
    PARSE_ERROR,
    bad_params,
    problem,
    response_error,
)
from missions.lsp.calls import call_command, lenient_initialize
from missions.lsp.framing import Problem
from missions.lsp.log import incident
from missions.lsp.outbox import Coalesce, Outbox
from missions.lsp.payload import Payload, from_json, to_json
from missions.lsp.traffic import coalescing
from missions.model.errors import MissionError

if TYPE_CHECKING:
    from cattrs import Converter

    from missions.lsp.server import MissionsServer

_log = logging.getLogger(__name__)

Id = str | int


class MissionsProtocol(LanguageServerProtocol):
    """One client's conversation with the server."""

    def __init__(self, server: MissionsServer, converter: Converter) -> None:
        super().__init__(server, converter)
        self.server = server
        """The server, with its own type."""
        self.outbox: Outbox | None = None
        """Where messages leave; set when the transport is there."""
        self.progress_cancels: dict[str | int, Callable[[], None]] = {}
        """What to do when the client cancels a progress, by token."""
        self._outgoing: dict[Id, Future[Any]] = {}
        self._state = "new"
        """new, ready (`initialize` was answered), started (its first message came), shutdown."""

    def in_flight(self) -> int:
        """Requests and notifications of the client that are being handled."""
        return len(self._request_futures)

    def unanswered(self) -> int:
        """Requests of ours that the client has not answered; it may take as long as it likes."""
        return len(self._outgoing)

    # ------------------------------------------------------------------ incoming

    def receive(self, item: bytes | Problem) -> None:
        """Handle one message or one piece of garbage; never raises."""
        try:
            self._receive(item)
        except Exception as error:
            incident(_log, "handling a message", error)

    def _receive(self, item: bytes | Problem) -> None:
        if isinstance(item, Problem):
            _log.warning("not a message: %s", item.reason)
            return self._answer(None, error=problem(PARSE_ERROR, f"Not a message: {item.reason}."))
        try:
            data: Any = json.loads(item)
        except (ValueError, RecursionError) as error:
            _log.warning("not JSON: %s", type(error).__name__)
            return self._answer(None, error=problem(PARSE_ERROR, "The message is not JSON."))
        if not isinstance(data, dict):
            return self._answer(None, error=problem(INVALID_REQUEST, "A message is one JSON object."))
        message = cast("dict[str, Any]", data)
        number, method = message.get("id"), message.get("method")
        if method is None and "id" in message and ("result" in message or "error" in message):
            return self._take_response(message)
        valid_id = type(number) in (str, int)
        if (
            not isinstance(method, str)
            or message.get("jsonrpc") != "2.0"
            or ("id" in message and not valid_id)
        ):
            text = "A request needs “jsonrpc” “2.0”, a “method” and an “id” that is a string or an integer."
            return self._answer(number if valid_id else None, error=problem(INVALID_REQUEST, text))
        return contextvars.copy_context().run(self._dispatch, method, number, message)

    def _dispatch(self, method: str, number: Id | None, message: dict[str, Any]) -> None:
        refusal = self._refusal(method, number)
        if refusal is not None:
            if number is not None:
                self._answer(number, error=refusal)
            return
        if self._state == "ready" and method != types.INITIALIZE:
            self._state = "started"
            self.server.started()
        try:
            handler = None if method == types.CANCEL_REQUEST else self._get_handler(method)
            params = self._read_params(method, message)
        except JsonRpcException as error:
            if number is not None:
                self._answer(number, error=response_error(error, method))
            return
        except MissionError as error:
            _log.warning("bad parameters for %s: %s", method, error.message)
            if number is not None:
                self._answer(number, error=response_error(error, method))
            return
        if number is not None:
            self._ctx_msg_id.set(number)
            self._run(number, handler, params, partial(self._send_handler_result, msg_id=number))
        elif handler is not None:
            self._run(str(uuid.uuid4()), handler, params, partial(self._notification_done, method))
        elif params is not None and (future := self._request_futures.get(params.id)) is not None:
            if isinstance(future, asyncio.Task):
                cast("asyncio.Task[Any]", future).cancel(BY_THE_CLIENT)
            else:
                future.cancel()

    def _run(self, number: Id, handler: Any, params: Any, done: Callable[[Future[Any]], None]) -> None:
        self._execute_handler(number, handler, done, args=(params,))

    def _refusal(self, method: str, number: Id | None) -> types.ResponseError | None:
        """Why this message must not be handled now."""
        if method == types.EXIT:
            return None
        if self._state == "shutdown":
            return problem(INVALID_REQUEST, "The server is shutting down.")
        if self._state == "new" and method != types.INITIALIZE:
            return problem(NOT_INITIALIZED, "The first request must be “initialize”.")
        if self._state != "new" and method == types.INITIALIZE:
            return problem(INVALID_REQUEST, "“initialize” was answered already.")
        if number is not None and number in self._request_futures:
            return problem(INVALID_REQUEST, "A request with this id is still being handled.")
        return None

    def _read_params(self, method: str, message: dict[str, Any]) -> Any:
        params = message.get("params")
        own = protocol.params_type(method)
        if own is not None:
            return from_json(own, {} if params is None else params)
        if method == types.WORKSPACE_EXECUTE_COMMAND:
            return _execute_params(params)
        message_type = self.get_message_type(method)
        if message_type is None:
            return params
        if method == types.INITIALIZE:
            return lenient_initialize(self._converter, params)
        try:
            return self._converter.structure(message, message_type).params
        except Exception as error:
            if params is None:
                return None
            raise bad_params(method, error) from None

    def _execute_handler(
        self,
        msg_id: Id,
        handler: Any,
        callback: Callable[[Future[Any]], None],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        super()._execute_handler(msg_id, handler, callback, args, kwargs)
        future = self._request_futures.get(msg_id)
        if future is not None:
            future.add_done_callback(partial(self._forget, msg_id))

    def _forget(self, msg_id: Id, future: Future[Any]) -> None:
        if self._request_futures.get(msg_id) is future:
            del self._request_futures[msg_id]

    def _notification_done(self, method: str, future: Future[Any]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            incident(_log, f"notification {method}", error)

    def _send_handler_result(self, future: Future[Any], *, msg_id: Id) -> None:
        self._forget(msg_id, future)
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is None:
            self._answer(msg_id, result=future.result())
        else:
            self._answer(msg_id, error=response_error(error, f"request {msg_id}"))

    def _take_response(self, message: dict[str, Any]) -> None:
        number: Any = message.get("id")
        future = self._outgoing.pop(number, None) if isinstance(number, (str, int)) else None
        result_type = cast(Any, self._result_types.pop(number, None) if future is not None else None)
        if future is None or future.done():
            _log.debug("a response that nobody waits for")
            return
        if (given := message.get("error")) is not None:
            error = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
            code, text = error.get("code"), str(error.get("message", "the client failed"))
            known = types.ResponseError(code=code if isinstance(code, int) else -32603, message=text[:500])
            future.set_exception(JsonRpcException.from_error(known))
            return
        result: Any = message.get("result")
        if result_type is not None:
            try:
                result = self._converter.structure({"jsonrpc": "2.0", **message}, result_type).result
            except Exception:
                future.set_exception(JsonRpcException("The client's answer has the wrong form."))
                return
        future.set_result(result)

    # ------------------------------------------------------------------ outgoing

    def _answer(
        self, number: Id | None, *, result: Any = None, error: types.ResponseError | None = None
    ) -> None:
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": number}
        if error is None:
            try:
                self._put({**answer, "result": result})
                return
            except Exception as failure:
                error = response_error(failure, "encoding a result")
        self._put({**answer, "error": error})

    def _put(self, message: dict[str, Any], coalesce: Coalesce | None = None) -> bool:
        return self.outbox is not None and self.outbox.put(message, self._encode, coalesce)

    def _encode(self, message: dict[str, Any]) -> bytes:
        body = json.dumps(message, default=self._plain, separators=(",", ":")).encode("ascii")
        return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)

    def _plain(self, value: Any) -> Any:
        return to_json(value) if isinstance(value, Payload) else self._converter.unstructure(value)

    def _send_data(self, data: Any) -> None:
        """What pygls itself sends; answers are sent by :meth:`_answer`."""
        self._put(self._plain(data))

    def notify(self, method: str, params: Any | None = None) -> None:
        """Send a notification; one that waits behind a slow client may be joined or replaced (see ``traffic``)."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        self._put(message if params is None else {**message, "params": params}, coalescing(method, params))

    def send_request(
        self,
        method: str,
        params: Any | None = None,
        callback: Callable[[Any], None] | None = None,
        msg_id: Id | None = None,
    ) -> Future[Any]:
        """Send a request that may never be answered; :meth:`request` is the form with a deadline."""
        number = msg_id if msg_id is not None else str(uuid.uuid4())
        future: Future[Any] = Future()
        if callback is not None:
            future.add_done_callback(lambda done: None if done.exception() else callback(done.result()))
        self._outgoing[number] = future
        self._result_types[number] = self.get_result_type(method)
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method}
        if not self._put(message if params is None else {**message, "params": params}):
            self._drop_request(number)
            future.set_exception(JsonRpcException("The client is gone."))
        return future

    async def request(self, method: str, params: Any | None, timeout: float | None) -> Any:
        """Ask the client. ``TimeoutError`` after ``timeout`` seconds, ``JsonRpcException`` when it refuses."""
        number = str(uuid.uuid4())
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.wrap_future(self.send_request(method, params, msg_id=number))
        finally:
            if self._drop_request(number):
                self.notify(types.CANCEL_REQUEST, {"id": number})

    def _drop_request(self, number: Id) -> bool:
        self._result_types.pop(number, None)
        return self._outgoing.pop(number, None) is not None

    def client_gone(self) -> None:
        """Nothing more can be sent: whoever waits for an answer learns it."""
        for number, future in list(self._outgoing.items()):
            self._drop_request(number)
            if not future.done():
                future.set_exception(JsonRpcException("The client is gone."))

    # ------------------------------------------------------------------ built-in methods

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Generator[Any, Any, types.InitializeResult]:
        """Announce what pygls does not know of, and remember who asks."""
        result = yield from super().lsp_initialize(params)
        capabilities = result.capabilities
        workspace = capabilities.workspace = capabilities.workspace or types.WorkspaceOptions()
        workspace.text_document_content = types.TextDocumentContentOptions(schemes=[protocol.SCHEME])
        capabilities.experimental = {"missions": protocol.VERSION}
        self.server.client_connected(params)
        self._state = "ready"
        return result

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Answer at once; running requests are cancelled, state is durable already."""
        self._state = "shutdown"
        self._shutdown = True
        for number, future in list(self._request_futures.items()):
            if number != self.msg_id:
                future.cancel()
        self.server.shutdown_received()

    @lsp_method(types.EXIT)
    def lsp_exit(self, *args: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """End the process: status 0 after ``shutdown``, else 1."""
        self.server.lifetime.leave("exit")

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, params: types.ExecuteCommandParams
    ) -> Any:
        """Run a command in the task of its request, so that cancelling the request cancels the command."""
        return await call_command(cast("dict[str, Any]", self.fm.commands), params, self.msg_id or "")

    @lsp_method(types.WINDOW_WORK_DONE_PROGRESS_CANCEL)
    def lsp_work_done_progress_cancel(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, params: types.WorkDoneProgressCancelParams
    ) -> None:
        """The user pressed cancel on a progress of ours."""
        if (cancel := self.progress_cancels.get(params.token)) is not None:
            cancel()


def _execute_params(params: Any) -> types.ExecuteCommandParams:
    given = cast("dict[str, Any]", params) if isinstance(params, dict) else {}
    command, arguments = given.get("command"), given.get("arguments")
    if not isinstance(command, str) or not isinstance(arguments, (list, type(None))):
        raise MissionError(
            "bad_argument",
            "A command needs “command”, a string, and “arguments”, a list.",
            "Send them as the protocol says.",
        )
    token = given.get("workDoneToken")
    return types.ExecuteCommandParams(
        command=command,
        arguments=cast("list[Any] | None", arguments),
        work_done_token=token if isinstance(token, (str, int)) else None,
    )
