"""The simulated model service: a real HTTP server on loopback that speaks the Messages API and answers from a playbook.

It checks each request as the service would, accounts for the prompt cache, and marks every answer as simulated. It
listens on loopback only, needs no key, keeps nothing on disk and knows nothing of the product that talks to it.
"""

from __future__ import annotations

import copy
import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from missions.simulator import faults as fault_kinds
from missions.simulator.conversation import Attempts, Turn, read_turn, summary
from missions.simulator.faults import Fault
from missions.simulator.invariants import Check, Violation, violation
from missions.simulator.listener import Answer, Listener, Request, Stream
from missions.simulator.models import model_info, rules_for
from missions.simulator.playbook import FaultRule, Playbook, Rule, fault_rule
from missions.simulator.prefix import Chain, chain_of
from missions.simulator.promptcache import PromptCache, PromptUsage
from missions.simulator.reply import Part, Reply, cut, reply_from
from missions.simulator.shapes import Object, a_text, an_object, text_of
from missions.simulator.templates import UnresolvedError, render
from missions.simulator.wire import Envelope, content_of, error_body, events_of, message_of


@dataclass(frozen=True)
class Exchange:
    """One request for a message and what became of it."""

    body: Object
    headers: dict[str, str]
    """Names in lower case."""
    turn: Turn
    status: int
    rule: str = ""
    """The rule that answered; empty if none did."""
    faults: tuple[str, ...] = ()
    usage: Object = field(default_factory=dict[str, Any])
    content: list[Object] = field(default_factory=list[Object])
    stop: str = ""
    error: str = ""


@dataclass(frozen=True)
class Unmatched:
    """A place for which the playbook had no usable rule."""

    turn: Turn
    reason: str

    def __str__(self) -> str:
        return f"{self.turn.describe()}: {self.reason}"


class Faults:
    """The faults of a running simulator; those added here strike before the playbook's own."""

    def __init__(self, rules: list[FaultRule]) -> None:
        self._rules = rules
        self._lock = threading.Lock()

    def add(self, kind: str, *, when: Object | None = None, times: int | None = 1, **fields: Any) -> None:
        """Let a fault strike the next ``times`` requests that fit ``when`` (None: all of them)."""
        with self._lock:
            self._rules.append(fault_rule({"kind": kind, "when": when or {}, "times": times, **fields}))

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._rules.clear()

    def due(self, turn: Turn, also: list[FaultRule]) -> list[Fault]:
        """The faults that strike this request: each uses up one of its times."""
        with self._lock:
            struck = [rule for rule in (*self._rules, *also) if rule.strikes(turn)]
            # One fault instead of an answer is all a request can have; the others wait for their turn.
            instead = next((rule for rule in struck if rule.fault.kind in fault_kinds.INSTEAD), None)
            struck = [instead] if instead else struck
            for rule in struck:
                if rule.times is not None:
                    rule.times -= 1
            return [rule.fault for rule in struck]


class Simulator:
    """The server. ``with Simulator(playbook) as url`` or ``start()`` and ``stop()``."""

    def __init__(
        self,
        playbook: Playbook | Object | Path | str,
        port: int = 0,
        pace: float = 0.0,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(playbook, (str, Path)):
            playbook = Playbook.load(Path(playbook))
        elif isinstance(playbook, dict):
            playbook = Playbook.from_data(playbook)
        self.playbook = copy.deepcopy(playbook)
        """A copy, because rules count their uses."""
        self.pace = pace
        """Seconds that an average reply takes; 0 answers at once."""
        self.base_url = ""
        self.exchanges: list[Exchange] = []
        """Every request for a message, in order of arrival."""
        self.unmatched: list[Unmatched] = []
        self.faults = Faults(self.playbook.faults)
        self.cache = PromptCache(clock, self.playbook.counting)
        self._attempts = Attempts()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._paused: set[str] = set()
        self._listener = Listener(self._answer, port)

    @property
    def requests(self) -> list[Object]:
        """The bodies of all requests for a message."""
        return [exchange.body for exchange in self.exchanges]

    def start(self) -> str:
        """Listen, and return the base URL."""
        self.base_url = self._listener.start()
        return self.base_url

    def stop(self) -> None:
        """Break off every connection; no thread is left."""
        self._listener.stop()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, request: Request) -> Answer | Stream:
        request_id = f"req_simulated_{next(self._numbers):06d}"
        answer = self._route(request, request_id)
        answer.headers.update({"request-id": request_id, "x-missions-simulated": "1"})
        return answer

    def _route(self, request: Request, request_id: str) -> Answer | Stream:
        path = request.path.partition("?")[0]
        if request.method == "GET" and path == "/":
            return Answer(200, {"simulated": True, "title": self.playbook.title})
        if "authorization" not in request.headers and "x-api-key" not in request.headers:
            return _error(Violation("no credentials were sent", "authentication_error", 401), request_id)
        if request.method == "GET" and path.startswith("/v1/models/"):
            return Answer(200, model_info(path.removeprefix("/v1/models/")))
        if request.method == "POST" and path in ("/v1/messages", "/v1/messages/count_tokens"):
            if request.too_large:
                return _error(Violation("request exceeds 32 MB", "request_too_large", 413), request_id)
            return self._message(request, request_id, counting=path.endswith("count_tokens"))
        return _error(Violation(f"there is no {request.method} {path}", "not_found_error", 404), request_id)

    def _message(self, request: Request, request_id: str, *, counting: bool) -> Answer | Stream:
        try:
            body = an_object(json.loads(request.body))
            chain = chain_of(body)
        except (ValueError, RecursionError) as error:
            return _error(Violation(f"The request body is not valid JSON: {error}"), request_id)
        rules = rules_for(a_text(body.get("model")))
        window = self.playbook.context_window or rules.window
        betas = {name.strip() for name in request.headers.get("anthropic-beta", "").split(",")}
        check = Check(body, chain, rules, betas, window, self._was_paused, counting)
        refused = violation(check)
        if counting:
            return _error(refused, request_id) if refused else Answer(200, {"input_tokens": chain.tokens})
        with self._lock:
            turn = self._attempts.numbered(read_turn(body))
        if refused:
            self._record(Exchange(body, request.headers, turn, refused.status, error=refused.message))
            return _error(refused, request_id)
        rule, reply, own_faults = self._reply(body, turn)
        struck = self.faults.due(turn, own_faults)
        names = tuple(fault.kind for fault in struck)
        if struck and struck[0].kind in fault_kinds.INSTEAD:
            return self._instead(
                struck[0], Exchange(body, request.headers, turn, 0, rule, names), chain, request_id
            )
        for fault in struck:
            reply = fault_kinds.said(fault, reply)
        if reply.output_tokens > body["max_tokens"] and body.get("compaction") is None:
            reply = cut(reply, body["max_tokens"])
        usage = self.cache.look_up(body, chain, rules)
        self.cache.commit(usage)
        envelope = self._envelope(body, chain, usage)
        content = content_of(reply, envelope)
        if reply.stop == "pause_turn":
            with self._lock:
                self._paused.add(text_of(content))
        done = Exchange(
            body, request.headers, turn, 200, rule, names, envelope.usage(reply), content, reply.stop
        )
        self._record(done)
        way = [fault for fault in struck if fault.kind in fault_kinds.ON_THE_WAY]
        if not body.get("stream"):
            return Answer(200, message_of(reply, envelope), faults=way, seconds=self.pace)
        tiny = any(fault.kind == "tiny-deltas" for fault in way)
        events = events_of(reply, envelope, piece=1 if tiny else 24 if self.pace else 240)
        return Stream(events, faults=way, seconds=self._seconds(reply), request_id=request_id)

    def _reply(self, body: Object, turn: Turn) -> tuple[str, Reply, list[FaultRule]]:
        if body.get("compaction") is not None:
            return "compaction", Reply([Part("compaction", summary(turn))], "compaction"), []
        if body["max_tokens"] == 0:
            return "warm-up", Reply([], "max_tokens", {"output_tokens": 0}), []
        with self._lock:
            rule, data = self._matching(turn)
            if rule is None or data is None:
                return "", self._nothing(turn, "no rule fits"), []
            rule.used += 1
        struck: list[FaultRule] = data.get("faults", [])
        try:
            scripted = {key: value for key, value in data.items() if key != "faults"}
            return rule.name, reply_from(an_object(render(scripted, turn))), struck
        except UnresolvedError as problem:
            return rule.name, self._nothing(turn, f"rule {rule.name!r}: {problem}"), struck

    def _matching(self, turn: Turn) -> tuple[Rule | None, Object | None]:
        for rule in self.playbook.rules:
            data = rule.reply_for(turn)
            if data is not None:
                return rule, data
        return None, None

    def _nothing(self, turn: Turn, reason: str) -> Reply:
        self.unmatched.append(Unmatched(turn, reason))
        text = f"(Simulated model) The playbook has nothing to say here: {turn.describe()}; {reason}."
        return Reply([Part("text", text)], "end_turn")

    def _envelope(self, body: Object, chain: Chain, usage: PromptUsage) -> Envelope:
        display = an_object(body.get("thinking")).get("display")
        return Envelope(
            id=f"msg_simulated_{next(self._numbers):06d}",
            model=a_text(body.get("model")),
            prefix=chain.digest,
            prompt=usage,
            show_thinking=display in ("summarized", "updates"),
            compaction=body.get("compaction") is not None,
        )

    def _instead(self, fault: Fault, exchange: Exchange, chain: Chain, request_id: str) -> Answer:
        refused = Violation(fault.message, fault.error_type, fault.status)
        if fault.kind == "prompt-too-long":
            window = min(chain.tokens - 1, 200_000)
            refused = Violation(f"prompt is too long: {chain.tokens} tokens > {window} maximum")
        self._record(replace(exchange, status=refused.status, error=refused.message))
        if fault.kind == "disconnect":
            return Answer(0, {}, faults=[fault])
        if fault.kind == "html":
            page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
            status = fault.status if fault.status != 529 else 502
            return Answer(status, page, dict(fault.headers))
        answer = _error(refused, request_id)
        answer.headers.update(fault.headers)
        return answer

    def _record(self, exchange: Exchange) -> None:
        with self._lock:
            self.exchanges.append(exchange)

    def _was_paused(self, message: Object) -> bool:
        with self._lock:
            return text_of(message.get("content")) in self._paused

    def _seconds(self, reply: Reply) -> float:
        # Long replies take longer, within reason: the whole demo should be pleasant to watch.
        return self.pace * min(2.0, 0.5 + reply.output_tokens / 250)


def _error(refused: Violation, request_id: str) -> Answer:
    return Answer(refused.status, error_body(refused.type, refused.message, request_id))
