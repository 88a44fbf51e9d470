"""What differs between two plans, as lines that people read.

Used for the history of a plan, for gates and for chat. It shows; it does not judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from missions.model.contract import ROLES, PlanDocument
from missions.model.plain_text import one_line


def plan_diff(old: PlanDocument, new: PlanDocument) -> list[str]:
    """One clean line per difference: ``+`` added, ``-`` removed, ``~`` changed, ``>`` moved; empty if equal."""
    return [
        *_fields("plan", old, new, ("title", "objective")),
        *_lists(old, new),
        *_milestones(old, new),
        *_features(old, new),
        *_assertions(old, new),
        *_rest(old, new),
    ]


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return one_line(", ".join(str(part) for part in value), 60) or "nothing"  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if value is None:
        return "nothing"
    return f"“{one_line(value, 60)}”" if isinstance(value, str) else one_line(str(value), 60)


def _fields(what: str, old: BaseModel, new: BaseModel, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield f"~ {what}: {name} {_short(before)} → {_short(after)}"


def _lists(old: PlanDocument, new: PlanDocument) -> Iterator[str]:
    for what, before, after in (
        ("non-goal", old.nonGoals, new.nonGoals),
        ("assumption", old.assumptions, new.assumptions),
    ):
        yield from (f"- {what}: {one_line(entry, 100)}" for entry in before if entry not in after)
        yield from (f"+ {what}: {one_line(entry, 100)}" for entry in after if entry not in before)


def _milestones(old: PlanDocument, new: PlanDocument) -> Iterator[str]:
    before, after = {m.id: m for m in old.milestones}, {m.id: m for m in new.milestones}
    yield from (f"- milestone {_named(m.id, m.title)}" for m in old.milestones if m.id not in after)
    yield from (f"+ milestone {_named(m.id, m.title)}" for m in new.milestones if m.id not in before)
    fields = ("title", "objective", "validation", "failureLimit", "claims")
    for item, milestone in after.items():
        if item in before:
            what = f"milestone {one_line(item, 40)}"
            yield from _fields(what, before[item], milestone, fields)
            yield from _fields(
                f"{what}: user testing",
                before[item].userTesting,
                milestone.userTesting,
                ("required", "instructions"),
            )
    if [i for i in before if i in after] != [i for i in after if i in before]:
        yield f"> milestones in the order {', '.join(one_line(m.id, 40) for m in new.milestones)}"


def _features(old: PlanDocument, new: PlanDocument) -> Iterator[str]:
    before = {f.id: (m.id, f) for m, f in old.features()}
    after = {f.id: (m.id, f) for m, f in new.features()}
    for item, (milestone, feature) in before.items():
        if item not in after:
            yield f"- feature {_named(item, feature.title)} of {one_line(milestone, 40)}"
    for item, (milestone, feature) in after.items():
        if item not in before:
            yield f"+ feature {_named(item, feature.title)} in {one_line(milestone, 40)}"
            continue
        home, was = before[item]
        if home != milestone:
            yield f"> feature {_named(item, feature.title)} from {one_line(home, 40)} to {one_line(milestone, 40)}"
        yield from _fields(
            f"feature {one_line(item, 40)}", was, feature, ("title", "description", "dependencies", "claims")
        )
    for milestone in new.milestones:
        stayed = [f.id for f in milestone.features if before.get(f.id, ("",))[0] == milestone.id]
        earlier = [item for item, (home, _) in before.items() if home == milestone.id and item in stayed]
        if stayed != earlier:
            order = ", ".join(one_line(f.id, 40) for f in milestone.features)
            yield f"> features of {one_line(milestone.id, 40)} in the order {order}"


def _assertions(old: PlanDocument, new: PlanDocument) -> Iterator[str]:
    before = {a.id: a for a in old.validationContract.assertions}
    after = {a.id: a for a in new.validationContract.assertions}
    yield from (f"- assertion {_named(a.id, a.assertion)}" for a in before.values() if a.id not in after)
    yield from (f"+ assertion {_named(a.id, a.assertion)}" for a in after.values() if a.id not in before)
    for item, assertion in after.items():
        if item in before:
            yield from _fields(
                f"assertion {one_line(item, 40)}",
                before[item],
                assertion,
                ("category", "severity", "assertion", "verification"),
            )


def _rest(old: PlanDocument, new: PlanDocument) -> Iterator[str]:
    for what, before, after in (
        ("skills", old.skills, new.skills),
        ("budget", old.budget, new.budget),
        ("environment", old.environment, new.environment),
    ):
        yield from _fields(what, before, after, tuple(type(before).model_fields))
    for role in ROLES:
        before, after = old.models.get(role), new.models.get(role)
        if before != after:
            was, now = (choice.model if choice else None for choice in (before, after))
            detail = "effort or fallback" if was == now else f"{_short(was)} → {_short(now)}"
            yield f"~ model of the {role}: {detail}"


def _named(item: str, title: str) -> str:
    return f"{one_line(item, 40)} “{one_line(title, 80)}”"
