"""Whether the parts of a plan fit together: ids, dependencies, claims, and the size of the work.

Takes a document whose shape is right; says nothing about its words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from missions.model.contract import FeaturePlan, PlanDocument
from missions.model.ids import ITEM_ID
from missions.model.lint_rules import Finding, finding, pointer
from missions.model.plain_text import one_line

CROWDED_MILESTONE = 12
MANY_CLAIMS = 12


def structure(plan: PlanDocument) -> list[Finding]:
    """All findings of ids, dependencies, claims and counts."""
    return [*_ids(plan), *_milestones(plan), *_dependencies(plan), *_claims(plan)]


def item_paths(plan: PlanDocument) -> list[tuple[str, str, str]]:
    """``(kind, id, path)`` of every milestone, feature and assertion, in document order."""
    found: list[tuple[str, str, str]] = []
    for m, milestone in enumerate(plan.milestones):
        found.append(("milestone", milestone.id, pointer("milestones", m)))
        for f, feature in enumerate(milestone.features):
            found.append(("feature", feature.id, pointer("milestones", m, "features", f)))
    for a, assertion in enumerate(plan.validationContract.assertions):
        found.append(("assertion", assertion.id, pointer("validationContract", "assertions", a)))
    return found


def shown(text: str) -> str:
    """An id or a short text as it appears in a message."""
    return one_line(text, 60)


def _ids(plan: PlanDocument) -> Iterator[Finding]:
    seen: dict[str, tuple[str, str]] = {}
    for kind, item, path in item_paths(plan):
        where = path + "/id"
        if not ITEM_ID.match(item):
            yield finding("id-form", where, f"“{shown(item)}” is not a valid id.")
            continue
        folded = item.casefold()
        if folded not in seen:
            seen[folded] = (kind, item)
            continue
        other_kind, other = seen[folded]
        if other == item:
            message = f"The {kind} {item} has the id of another {other_kind}."
            yield finding("duplicate-id", where, message, item)
        else:
            yield finding("id-case-clash", where, f"{item} and {other} differ only in case.", item)


def _milestones(plan: PlanDocument) -> Iterator[Finding]:
    if not plan.milestones:
        yield finding("no-milestones", "/milestones", "The plan has no milestone.")
    for number, milestone in enumerate(plan.milestones):
        path, name = pointer("milestones", number), shown(milestone.id)
        count = len(milestone.features)
        if not count:
            message = f"Milestone {name} has no feature."
            yield finding("empty-milestone", path + "/features", message, milestone.id)
        if count > CROWDED_MILESTONE:
            message = f"Milestone {name} has {count} features before its first validation."
            yield finding("crowded-milestone", path + "/features", message, milestone.id)


def _dependencies(plan: PlanDocument) -> Iterator[Finding]:
    position: dict[str, tuple[int, int]] = {}
    for m, milestone in enumerate(plan.milestones):
        for f, feature in enumerate(milestone.features):
            position.setdefault(feature.id, (m, f))
    milestones = {m.id for m in plan.milestones}
    for m, milestone in enumerate(plan.milestones):
        for f, feature in enumerate(milestone.features):
            for d, needed in enumerate(feature.dependencies):
                path = pointer("milestones", m, "features", f, "dependencies", d)
                if needed in feature.dependencies[:d]:
                    message = f"{shown(feature.id)} lists {shown(needed)} twice."
                    yield finding("duplicate-dependency", path, message, feature.id)
                elif needed == feature.id:
                    message = f"{shown(feature.id)} depends on itself."
                    yield finding("self-dependency", path, message, feature.id)
                elif needed not in position:
                    what = (
                        "a milestone, not a feature" if needed in milestones else "not a feature of this plan"
                    )
                    message = f"{shown(feature.id)} depends on {shown(needed)}, which is {what}."
                    yield finding("unknown-dependency", path, message, feature.id)
                elif position[needed][0] > m:
                    later = shown(plan.milestones[position[needed][0]].id)
                    message = (
                        f"{shown(feature.id)} depends on {shown(needed)} of the later milestone {later}."
                    )
                    yield finding("forward-dependency", path, message, feature.id)
                elif position[needed] > (m, f):
                    message = f"{shown(feature.id)} depends on {shown(needed)}, which is listed after it."
                    yield finding("late-dependency", path, message, feature.id)
    for circle in dependency_circles([feature for _, feature in plan.features()]):
        m, f = position[circle[0]]
        way = " → ".join(shown(item) for item in [*circle[:20], circle[0]])
        path = pointer("milestones", m, "features", f, "dependencies")
        yield finding("dependency-cycle", path, f"Nothing in this circle can run first: {way}.", circle[0])


def dependency_circles(features: list[FeaturePlan]) -> list[list[str]]:
    """Circles of at least two features, each once, starting at the feature listed first."""
    order = {feature.id: number for number, feature in reversed(list(enumerate(features)))}
    waits: dict[str, set[str]] = {}
    for feature in features:
        known = {d for d in feature.dependencies if d in order and d != feature.id}
        waits.setdefault(feature.id, set()).update(known)
    circles: list[list[str]] = []
    while True:
        free = [item for item, needs in waits.items() if not needs & waits.keys()]
        if free:
            for item in free:
                del waits[item]
            continue
        if not waits:
            return circles
        trail: list[str] = []
        item = min(waits, key=order.__getitem__)
        while item not in trail:
            trail.append(item)
            item = min(waits[item] & waits.keys(), key=order.__getitem__)
        circle = trail[trail.index(item) :]
        first = circle.index(min(circle, key=order.__getitem__))
        circles.append(circle[first:] + circle[:first])
        for member in circle:
            del waits[member]


def claimants(plan: PlanDocument) -> dict[str, list[tuple[str, str]]]:
    """Assertion id → ``(claiming item, path of the claim)``, in document order."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for m, milestone in enumerate(plan.milestones):
        for c, claim in enumerate(milestone.claims):
            found[claim].append((milestone.id, pointer("milestones", m, "claims", c)))
        for f, feature in enumerate(milestone.features):
            for c, claim in enumerate(feature.claims):
                path = pointer("milestones", m, "features", f, "claims", c)
                found[claim].append((feature.id, path))
    return dict(found)


def _claims(plan: PlanDocument) -> Iterator[Finding]:
    assertions = plan.validationContract.assertions
    known = {assertion.id for assertion in assertions}
    claimed = claimants(plan)
    if not assertions:
        yield finding("no-assertions", "/validationContract/assertions", "The contract holds no assertion.")
    for claim, items in claimed.items():
        if claim not in known:
            for item, path in items:
                message = f"{shown(item)} claims {shown(claim)}, which is not in the contract."
                yield finding("unknown-claim", path, message, item)
        for item, path in items[1:]:
            message = f"{shown(claim)} is claimed by {shown(items[0][0])} and by {shown(item)}."
            yield finding("claimed-twice", path, message, item)
    for number, assertion in enumerate(assertions):
        if assertion.id not in claimed:
            path = pointer("validationContract", "assertions", number)
            message = f"No feature or milestone claims {shown(assertion.id)}."
            yield finding("unclaimed-assertion", path, message, assertion.id)
    for m, milestone in enumerate(plan.milestones):
        path = pointer("milestones", m)
        wanted = set(milestone.claims).union(*(feature.claims for feature in milestone.features))
        if assertions and milestone.features and not wanted & known:
            message = f"Neither milestone {shown(milestone.id)} nor its features claim an assertion."
            yield finding("milestone-without-assertions", path, message, milestone.id)
        for f, feature in enumerate(milestone.features):
            where = path + pointer("features", f, "claims")
            if not feature.claims:
                message = f"{shown(feature.id)} claims no assertion."
                yield finding("feature-without-claims", where, message, feature.id)
            elif len(feature.claims) > MANY_CLAIMS:
                message = f"{shown(feature.id)} claims {len(feature.claims)} assertions."
                yield finding("many-claims", where, message, feature.id)
