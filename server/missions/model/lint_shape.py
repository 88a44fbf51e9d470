"""Whether a document has the form of a plan: size, depth, fields, types, and text that could deceive.

Turns every trouble into a finding with a sentence; nothing raises on bad input. What the plan says is judged in
``lint_structure.py`` and ``lint_content.py``.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from missions.model import contract
from missions.model.lint_rules import (
    MAX_ASSERTIONS,
    MAX_DEPTH,
    MAX_ENTRIES,
    MAX_FEATURES,
    MAX_FINDINGS,
    MAX_MILESTONES,
    MAX_PLAN_BYTES,
    Finding,
    finding,
    pointer,
)
from missions.model.plain_text import hostile_character, invisible_character, one_line
from missions.model.secret_text import secret_in
from missions.model.usage import ModelChoice

STATE_FIELDS = frozenset(
    {
        "activeRun",
        "attempts",
        "commit",
        "currentFeatureId",
        "currentMilestoneId",
        "executionStartedAt",
        "latestBlock",
        "origin",
        "runId",
        "runs",
        "status",
        "validationRunId",
        "validationState",
    }
)
"""Fields of a mission's state that have no place in a plan."""


class _DuplicateKeys(dict[str, Any]):
    """A JSON object that remembers fields it was given twice."""

    twice: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = _DuplicateKeys(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        value.twice = tuple(sorted({name for name in names if names.count(name) > 1}))
    return value


def parse(text: bytes | str) -> tuple[object, list[Finding]]:
    """The JSON value of a plan file, or findings that say why there is none."""
    if len(text) > MAX_PLAN_BYTES:
        return None, [_too_large(len(text))]
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        value = json.loads(decoded, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        return None, [finding("not-json", "", f"The file is not UTF-8 text (byte {error.start}).")]
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return None, [finding("not-json", "", f"The JSON is broken at {where}: {error.msg}.")]
    except RecursionError:
        return None, [_too_deep("")]
    except ValueError:  # an integer of thousands of digits
        return None, [finding("not-json", "", "The JSON holds a number that is too long to read.")]
    return value, []


def bounds(raw: object) -> list[Finding]:
    """Findings on size and depth; with any of them the document is not looked at further."""
    if not isinstance(raw, dict):
        return [finding("plan-not-object", "", f"The plan is {_kind(raw)}, not an object.")]
    found: list[Finding] = []
    total = 0
    for path, value, depth in _walk(cast("object", raw)):
        if depth > MAX_DEPTH:
            return [_too_deep(pointer(*path))]
        total += len(value) + 2 if isinstance(value, str) else 4
        total += len(str(path[-1])) + 4 if path and isinstance(path[-1], str) else 0
        if total > MAX_PLAN_BYTES:
            return [_too_large(total)]
        if isinstance(value, list) and len(cast("list[object]", value)) > MAX_ENTRIES:
            size = len(cast("list[object]", value))
            found.append(finding("too-many-entries", pointer(*path), f"The list has {size} entries."))
    return _counts(cast("dict[str, Any]", raw)) or found


def _counts(raw: dict[str, Any]) -> list[Finding]:
    """Milestones, features and assertions against their limits, before any model is built from them."""
    found: list[Finding] = []
    milestones = _list(raw.get("milestones"))
    contract_part: object = raw.get("validationContract")
    assertions = _list(
        cast("dict[str, object]", contract_part).get("assertions")
        if isinstance(contract_part, dict)
        else contract_part
    )
    features = sum(
        len(_list(cast("dict[str, object]", milestone).get("features")))
        for milestone in milestones
        if isinstance(milestone, dict)
    )
    for rule, path, count, what, limit in (
        ("too-many-milestones", "/milestones", len(milestones), "milestones", MAX_MILESTONES),
        ("too-many-features", "/milestones", features, "features", MAX_FEATURES),
        ("too-many-assertions", "/validationContract", len(assertions), "assertions", MAX_ASSERTIONS),
    ):
        if count > limit:
            found.append(finding(rule, path, f"The plan has {count} {what}; {limit} are allowed."))
    return found


def texts(raw: object) -> list[Finding]:
    """Findings on single characters and numbers anywhere in the document, and on fields given twice."""
    found: list[Finding] = []
    for path, value, _ in _walk(raw):
        if len(found) > MAX_FINDINGS:
            break
        where = pointer(*(one_line(str(part), 60) for part in path))
        if isinstance(value, _DuplicateKeys) and value.twice:
            names = ", ".join(one_line(name, 40) for name in value.twice[:5])
            found.append(finding("duplicate-key", where, f"Given twice in one object: {names}."))
        elif isinstance(value, float) and not math.isfinite(value):
            found.append(finding("wrong-value", where, "The number must be finite."))
        elif isinstance(value, str):
            found += _text(where, value)
    return found


def _text(where: str, value: str) -> Iterator[Finding]:
    hostile = hostile_character(value)
    if hostile is not None:
        yield finding("hostile-text", where, f"The text holds the character {hostile}.")
    unseen = invisible_character(value)
    if unseen is not None:
        yield finding("invisible-text", where, f"The text holds the invisible character {unseen}.")
    secret = secret_in(value)
    if secret is not None:
        yield finding("secret-text", where, f"The text seems to hold {secret}.")


def arranged(raw: dict[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """The document with its lists where they belong, and findings of those that were elsewhere."""
    found: list[Finding] = []
    document: dict[str, Any] = dict(raw)
    listed: object = document.get("validationContract")
    if isinstance(listed, list):
        document["validationContract"] = {"assertions": listed}
        found.append(finding("contract-as-list", "/validationContract", "The contract is a bare list."))
    if "features" in document:
        del document["features"]
        message = "Features belong to milestones; this list at the top level is not read."
        found.append(finding("top-level-features", "/features", message))
    return document, found


def shaped(document: dict[str, Any]) -> tuple[contract.PlanDocument | None, list[Finding]]:
    """The plan of an arranged document, or the findings of its shape."""
    try:
        plan = contract.PlanDocument.model_validate(document)
    except ValidationError as error:
        return None, [
            shaped_finding
            for detail in error.errors(include_url=False, include_context=True, include_input=True)
            if (shaped_finding := _of_detail(detail["type"], detail["loc"], detail)) is not None
        ]
    return plan, []


def _of_detail(kind: str, loc: tuple[int | str, ...], detail: Any) -> Finding | None:
    parts = [part for part in loc if part != "[key]"]
    where = pointer(*(one_line(str(part), 60) for part in parts))
    name = one_line(str(parts[-1]), 60) if parts else ""
    if kind == "missing":
        return finding("missing-field", where, f"`{name}` is missing in {_place(parts[:-1])}.")
    if kind == "extra_forbidden":
        if name in STATE_FIELDS:
            return finding("state-in-plan", where, f"`{name}` is state of a run, not part of a plan.")
        return finding(
            "unknown-field", where, f"`{name}` is not a field of {_place(parts[:-1])}.{_meant(parts)}"
        )
    if kind == "string_unicode":
        return None  # `texts` has said which character it is
    if kind == "string_too_short":
        return finding("model-blank", where, f"`{name}` is empty.")
    if kind == "string_too_long":
        return finding(
            "too-long", where, f"`{name}` is longer than {detail['ctx']['max_length']} characters."
        )
    if kind in ("literal_error", "enum"):
        allowed = f"one of {str(detail['ctx']['expected']).replace(' or ', ', ')}"
        what = f"role `{name}` is unknown; it" if "[key]" in loc else f"`{name}`"
        return finding("wrong-value", where, f"The {what} must be {allowed}.".replace("The `", "`"))
    if kind.startswith(("greater_than", "less_than", "finite", "int_from_float")):
        said = str(detail["msg"]).removeprefix("Input should be ").rstrip(".")
        return finding("wrong-value", where, f"`{name}` must be {said}.")
    return finding(
        "wrong-type", where, f"`{name or 'plan'}` must be {_wanted(kind)}, not {_kind(detail['input'])}."
    )


_WANTED = {
    "string": "a text",
    "tuple": "a list",
    "list": "a list",
    "model": "an object",
    "dict": "an object",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
}


def _wanted(kind: str) -> str:
    return _WANTED.get(kind.split("_")[0], "a value of another type")


def _meant(parts: list[int | str]) -> str:
    near = difflib.get_close_matches(str(parts[-1])[:60], _fields_at(parts[:-1]), n=1, cutoff=0.7)
    return f" Is `{near[0]}` meant?" if near else ""


_PARTS: dict[str, type[BaseModel]] = {
    "milestones": contract.MilestonePlan,
    "features": contract.FeaturePlan,
    "userTesting": contract.UserTesting,
    "validationContract": contract.ValidationContract,
    "assertions": contract.Assertion,
    "skills": contract.Skills,
    "budget": contract.BudgetPlan,
    "environment": contract.Environment,
    "models": ModelChoice,
}
_NAMES = {
    "milestones": "milestone",
    "features": "feature",
    "assertions": "assertion",
    "userTesting": "user testing",
    "validationContract": "contract",
    "models": "model",
}


def _fields_at(parts: list[int | str]) -> list[str]:
    named = [part for part in parts if isinstance(part, str) and part in _PARTS]
    model = _PARTS[named[-1]] if named else contract.PlanDocument
    return [info.alias or name for name, info in model.model_fields.items()]


def _place(parts: list[int | str]) -> str:
    named = [(number, part) for number, part in enumerate(parts) if isinstance(part, str) and part in _PARTS]
    if not named:
        return "the plan"
    number, part = named[-1]
    index = parts[number + 1] if number + 1 < len(parts) else None
    label = _NAMES.get(part, part)
    return f"{label} {index + 1}" if isinstance(index, int) else f"the {label}"


def _walk(raw: object) -> Iterator[tuple[tuple[str | int, ...], object, int]]:
    """Every value with its path and depth, in document order, without recursion."""
    stack: list[tuple[tuple[str | int, ...], object]] = [((), raw)]
    while stack:
        path, value = stack.pop()
        depth = len(path)
        yield path, value, depth
        if depth > MAX_DEPTH:
            continue
        if isinstance(value, dict):
            entries = cast("dict[object, object]", value).items()
            stack += reversed([((*path, str(key)), part) for key, part in entries])
        elif isinstance(value, list):
            listed = cast("list[object]", value)
            stack += reversed([((*path, number), part) for number, part in enumerate(listed)])


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


_KINDS: tuple[tuple[type[object], str], ...] = (
    (str, "a text"),
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (list, "a list"),
    (dict, "an object"),
)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "something else")


def _too_large(size: int) -> Finding:
    return finding(
        "plan-too-large", "", f"The plan has more than {MAX_PLAN_BYTES:,} bytes ({size:,} or more)."
    )


def _too_deep(where: str) -> Finding:
    return finding(
        "plan-too-deep", one_line(where, 200), f"The plan nests more than {MAX_DEPTH} levels deep."
    )
