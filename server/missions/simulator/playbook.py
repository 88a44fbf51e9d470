"""The playbook: rules, as data, for what the simulated model says at which place of which conversation.

Rules are tried in order and the first that fits answers. The format is described in docs/development/playbooks.md; a
file that does not keep to it is refused as a whole. A playbook never runs anything itself: whatever happens to the
repository happens through the tool calls it makes the model ask for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from missions.simulator.conversation import Turn
from missions.simulator.faults import Fault, FaultError, fault_from
from missions.simulator.shapes import Object, a_list, a_text, an_object

Counting = Literal["first-party", "every-block"]

_WHEN_TEXT = ("result", "anyResult", "text", "first", "model")
_WHEN_RANGE = ("turn", "step", "attempt")
_WHEN = frozenset((*_WHEN_TEXT, *_WHEN_RANGE, "role", "task", "tools"))
_RULE = frozenset(("name", "when", "times", "reply", "turns", "steps", "repeatLast"))
_REPLY = frozenset(("thinking", "text", "tools", "content", "stop", "stopDetails", "usage", "faults"))
_PLAYBOOK = frozenset(("title", "about", "contextWindow", "cacheCounting", "rules", "faults"))


class PlaybookError(ValueError):
    """A playbook that does not keep to the format; the message says where."""


@dataclass(frozen=True)
class Range:
    """Whole numbers from ``start`` to ``end``, both included."""

    start: int = 0
    end: int | None = None

    def __contains__(self, number: int) -> bool:
        return number >= self.start and (self.end is None or number <= self.end)


@dataclass(frozen=True)
class When:
    """The conditions of a rule; an absent one always holds."""

    role: tuple[str, ...] = ()
    task: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    """Names that must be offered."""
    patterns: dict[str, re.Pattern[str]] = field(default_factory=dict[str, "re.Pattern[str]"])
    ranges: dict[str, Range] = field(default_factory=dict[str, Range])

    def fits(self, turn: Turn, *, position: bool = True) -> bool:
        """Whether the conditions hold; without ``position`` the turn and step are left to the caller."""
        if self.role and turn.role not in self.role:
            return False
        if self.task and turn.task not in self.task:
            return False
        if not turn.tools.issuperset(self.tools):
            return False
        numbers = {"turn": turn.position, "step": turn.step, "attempt": turn.attempt}
        for name, wanted in self.ranges.items():
            if (position or name == "attempt") and numbers[name] not in wanted:
                return False
        return all(self._matches(name, pattern, turn) for name, pattern in self.patterns.items())

    @staticmethod
    def _matches(name: str, pattern: re.Pattern[str], turn: Turn) -> bool:
        if name == "anyResult":
            return any(pattern.search(call.result) for call in turn.calls)
        texts = {
            "result": turn.last_result,
            "text": turn.last_text,
            "first": turn.first_text,
            "model": turn.model,
        }
        return pattern.search(texts[name]) is not None


@dataclass
class Rule:
    """Conditions and what is said where they hold."""

    name: str
    when: When
    replies: list[Object]
    by: Literal["any", "turn", "step"] = "any"
    """What picks the reply: nothing (there is one), the turn of the task, or the step since the user's last words."""
    repeat_last: bool = False
    times: int | None = None
    used: int = 0

    def reply_for(self, turn: Turn) -> Object | None:
        """The reply data for this place, if the rule fits."""
        if self.times is not None and self.used >= self.times:
            return None
        if not self.when.fits(turn, position=self.by == "any"):
            return None
        if self.by == "any":
            return self.replies[0]
        wanted = self.when.ranges.get(self.by, Range())
        number = turn.position if self.by == "turn" else turn.step
        other = "step" if self.by == "turn" else "turn"
        if number not in wanted or {"step": turn.step, "turn": turn.position}[
            other
        ] not in self.when.ranges.get(other, Range()):
            return None
        index = number - wanted.start
        if index < len(self.replies):
            return self.replies[index]
        return self.replies[-1] if self.repeat_last else None


@dataclass
class FaultRule:
    """A fault and where it strikes, whatever rule answers."""

    when: When
    fault: Fault
    times: int | None = 1

    def strikes(self, turn: Turn) -> bool:
        """Whether it is due here."""
        return (self.times is None or self.times > 0) and self.when.fits(turn)


@dataclass
class Playbook:
    """All rules and faults."""

    title: str = "Simulated model"
    rules: list[Rule] = field(default_factory=list[Rule])
    faults: list[FaultRule] = field(default_factory=list[FaultRule])
    context_window: int | None = None
    counting: Counting = "first-party"

    @classmethod
    def load(cls, path: Path) -> Playbook:
        """The playbook in a file; ``{"$file": name}`` in it stands for the text of a file beside it."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise PlaybookError(f"{path.name}: not JSON: {error}") from error
        return cls.from_data(_with_files(data, path.parent.resolve()))

    @classmethod
    def from_data(cls, data: Any) -> Playbook:
        """The playbook that JSON data describes."""
        top = _known(data, _PLAYBOOK, "/")
        counting = top.get("cacheCounting", "first-party")
        if counting not in ("first-party", "every-block"):
            raise PlaybookError("/cacheCounting: must be first-party or every-block")
        return cls(
            title=a_text(top.get("title")) or "Simulated model",
            rules=rules_from(a_list(top.get("rules"))),
            faults=[fault_rule(item, f"/faults/{n}") for n, item in enumerate(a_list(top.get("faults")))],
            context_window=_whole(top.get("contextWindow"), "/contextWindow"),
            counting=counting,
        )

    def preceded_by(self, rules: Iterable[Any]) -> Playbook:
        """A playbook in which these rules (data) are tried before the present ones."""
        first = rules_from(list(rules))
        return Playbook(self.title, [*first, *self.rules], self.faults, self.context_window, self.counting)


def rules_from(data: list[Any]) -> list[Rule]:
    """Rules from their data."""
    return [_rule(item, f"/rules/{n}") for n, item in enumerate(data)]


def fault_rule(data: Any, where: str = "/") -> FaultRule:
    """A fault rule from its data: ``when``, ``times`` and the fault's own fields side by side."""
    fields = dict(_object(data, where))
    when = when_from(fields.pop("when", {}), f"{where}/when")
    times = _whole(fields.pop("times", 1), f"{where}/times")
    try:
        return FaultRule(when, fault_from(fields), times)
    except FaultError as error:
        raise PlaybookError(f"{where}: {error}") from error


def when_from(data: Any, where: str) -> When:
    """Conditions from their data."""
    fields = _known(data, _WHEN, where)
    patterns: dict[str, re.Pattern[str]] = {}
    for name in _WHEN_TEXT:
        if name in fields:
            try:
                patterns[name] = re.compile(a_text(fields[name]), re.M)
            except re.error as error:
                raise PlaybookError(f"{where}/{name}: {error}") from error
    ranges = {name: _range(fields[name], f"{where}/{name}") for name in _WHEN_RANGE if name in fields}
    return When(_names(fields, "role"), _names(fields, "task"), _names(fields, "tools"), patterns, ranges)


def _rule(data: Any, where: str) -> Rule:
    fields = _known(data, _RULE, where)
    kinds = [key for key in ("reply", "turns", "steps") if key in fields]
    if len(kinds) != 1:
        raise PlaybookError(f"{where}: needs one of reply, turns, steps")
    raw = [fields["reply"]] if kinds[0] == "reply" else a_list(fields[kinds[0]])
    if not raw:
        raise PlaybookError(f"{where}/{kinds[0]}: must not be empty")
    replies = [_reply(item, f"{where}/{kinds[0]}/{n}") for n, item in enumerate(raw)]
    return Rule(
        name=a_text(fields.get("name")) or where,
        when=when_from(fields.get("when", {}), f"{where}/when"),
        replies=replies,
        by="turn" if kinds[0] == "turns" else "step" if kinds[0] == "steps" else "any",
        repeat_last=bool(fields.get("repeatLast")),
        times=_whole(fields.get("times"), f"{where}/times"),
    )


def _reply(data: Any, where: str) -> Object:
    fields = _known(data, _REPLY, where)
    if "faults" in fields:
        # One rule per fault lives as long as the playbook, so that its ``times`` is counted over all requests.
        struck = [fault_rule(item, f"{where}/faults/{n}") for n, item in enumerate(a_list(fields["faults"]))]
        return {**fields, "faults": struck}
    return fields


def _with_files(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_with_files(item, folder) for item in a_list(value)]
    if not isinstance(value, dict):
        return value
    data = an_object(value)
    if list(data) != ["$file"]:
        return {key: _with_files(item, folder) for key, item in data.items()}
    path = (folder / a_text(data["$file"])).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise PlaybookError(f"$file: {data['$file']!r} is not a file beside the playbook")
    # Verbatim: a program may well hold two braces in a row.
    return {"$literal": path.read_text(encoding="utf-8")}


def _object(data: Any, where: str) -> Object:
    if not isinstance(data, dict):
        raise PlaybookError(f"{where}: must be an object")
    return an_object(data)


def _known(data: Any, names: frozenset[str], where: str) -> Object:
    fields = _object(data, where)
    unknown = sorted(set(fields) - names)
    if unknown:
        raise PlaybookError(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(names))}")
    return fields


def _names(fields: Object, key: str) -> tuple[str, ...]:
    value = fields.get(key)
    return (value,) if isinstance(value, str) else tuple(str(item) for item in a_list(value))


def _range(value: Any, where: str) -> Range:
    if isinstance(value, int) and not isinstance(value, bool):
        return Range(value, value)
    fields = _known(value, frozenset(("from", "to")), where)
    return Range(_whole(fields.get("from"), where) or 0, _whole(fields.get("to"), where))


def _whole(value: Any, where: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise PlaybookError(f"{where}: must be a whole number")
