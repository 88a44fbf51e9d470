"""Whether what a plan says can be worked with: its words, budget, environment and models.

Takes a document whose shape is right; ids and references are judged in ``lint_structure.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from missions.model.contract import PlanDocument
from missions.model.lint_rules import Finding, finding, pointer
from missions.model.lint_structure import shown
from missions.model.shell_text import changes_things, masks_status, may_never_end

LONGEST_LINE = 200
"""Characters of a title, a category or a host name."""
LONGEST_COMMAND = 4000
LONGEST_ENTRY = 4000
"""Characters of one assertion, its verification, a non-goal or an assumption."""
LONGEST_TEXT = 50_000
"""Characters of a description, an objective or a skill."""
LARGE_FEATURE = 8000
THIN_FEATURE = 30
THIN_OBJECTIVE = 30
VAGUE_VERIFICATION = 12

_PLACEHOLDER = re.compile(
    r"\s*(?:(?:todo|tbd|tba|fixme|xxx|wip|n/?a|none|\?+|\.{2,}|…|-+)[\s.:!]*|.*\blorem ipsum\b.*)",
    re.I | re.S,
)
_HOST = re.compile(
    r"(?:\*\.)?(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\Z",
    re.I,
)
_ADDRESS = re.compile(r"\[?[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}\]?\Z", re.I)
_DRIVE = re.compile(r"[A-Za-z]:")


def content(plan: PlanDocument) -> list[Finding]:
    """All findings of words, budget, environment and models."""
    return [
        *_texts(plan),
        *_titles(plan),
        *_contract(plan),
        *_user_testing(plan),
        *_budget(plan),
        *_environment(plan),
        *_models(plan),
    ]


def _texts(plan: PlanDocument) -> Iterator[Finding]:
    for path, text, limit, required, item in _every_text(plan):
        name = path.rsplit("/", 1)[1]
        if len(text) > limit:
            yield finding(
                "too-long", path, f"`{name}` has {len(text)} characters; {limit} are allowed.", item
            )
        if not text.strip():
            if required:
                yield finding("blank-text", path, f"`{name}` is blank.", item)
        elif _PLACEHOLDER.fullmatch(text[:LARGE_FEATURE]):
            yield finding("placeholder-text", path, f"`{name}` only says “{shown(text)}”.", item)
        if limit == LONGEST_LINE and re.search(r"[\n\r\u2028\u2029]", text.strip()):
            yield finding("multi-line-title", path, f"`{name}` has several lines.", item)
    if 0 < len(plan.objective.strip()) < THIN_OBJECTIVE:
        yield finding(
            "thin-objective", "/objective", f"The objective has {len(plan.objective.strip())} characters."
        )
    for m, milestone in enumerate(plan.milestones):
        path = pointer("milestones", m)
        if not milestone.objective.strip() and not milestone.validation.strip():
            message = f"Milestone {shown(milestone.id)} does not say what it reaches."
            yield finding("thin-milestone", path, message, milestone.id)
        for f, feature in enumerate(milestone.features):
            where, size = path + pointer("features", f, "description"), len(feature.description.strip())
            if 0 < size < THIN_FEATURE:
                message = f"{shown(feature.id)} is described in {size} characters."
                yield finding("thin-feature", where, message, feature.id)
            elif size > LARGE_FEATURE:
                message = (
                    f"{shown(feature.id)} is described in {size} characters; it holds too much for one run."
                )
                yield finding("large-feature", where, message, feature.id)


def _every_text(plan: PlanDocument) -> Iterator[tuple[str, str, int, bool, str | None]]:
    """``(path, text, longest, required, item)`` of every text except ids."""
    yield "/title", plan.title, LONGEST_LINE, True, None
    yield "/objective", plan.objective, LONGEST_TEXT, True, None
    for name, entries in (("nonGoals", plan.nonGoals), ("assumptions", plan.assumptions)):
        for number, entry in enumerate(entries):
            yield pointer(name, number), entry, LONGEST_ENTRY, True, None
    for m, milestone in enumerate(plan.milestones):
        path, item = pointer("milestones", m), milestone.id
        yield path + "/title", milestone.title, LONGEST_LINE, True, item
        yield path + "/objective", milestone.objective, LONGEST_TEXT, False, item
        yield path + "/validation", milestone.validation, LONGEST_TEXT, False, item
        yield (
            path + "/userTesting/instructions",
            milestone.userTesting.instructions,
            LONGEST_TEXT,
            False,
            item,
        )
        for f, feature in enumerate(milestone.features):
            where = path + pointer("features", f)
            yield where + "/title", feature.title, LONGEST_LINE, True, feature.id
            yield where + "/description", feature.description, LONGEST_TEXT, True, feature.id
    for a, assertion in enumerate(plan.validationContract.assertions):
        path = pointer("validationContract", "assertions", a)
        yield path + "/category", assertion.category, LONGEST_LINE, True, assertion.id
        yield path + "/assertion", assertion.assertion, LONGEST_ENTRY, True, assertion.id
        yield path + "/verification", assertion.verification, LONGEST_ENTRY, False, assertion.id
    yield "/skills/worker", plan.skills.worker, LONGEST_TEXT, True, None
    yield "/skills/validatorScrutiny", plan.skills.validatorScrutiny, LONGEST_TEXT, True, None
    yield "/skills/validatorUserTesting", plan.skills.validatorUserTesting or "", LONGEST_TEXT, False, None
    yield "/environment/setup", plan.environment.setup or "", LONGEST_COMMAND, False, None
    for number, check in enumerate(plan.environment.checks):
        yield pointer("environment", "checks", number), check, LONGEST_COMMAND, True, None


def _titles(plan: PlanDocument) -> Iterator[Finding]:
    seen: dict[tuple[str, str], str] = {}
    for m, milestone in enumerate(plan.milestones):
        path = pointer("milestones", m)
        items = [("milestone", milestone.id, milestone.title, path + "/title")]
        items += [
            ("feature", feature.id, feature.title, path + pointer("features", f, "title"))
            for f, feature in enumerate(milestone.features)
        ]
        for kind, item, title, where in items:
            key = (kind, " ".join(title.casefold().split()))
            if key[1] and seen.setdefault(key, item) != item:
                message = f"{shown(item)} and {shown(seen[key])} are both called “{shown(title)}”."
                yield finding("duplicate-title", where, message, item)


def _contract(plan: PlanDocument) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for number, assertion in enumerate(plan.validationContract.assertions):
        path = pointer("validationContract", "assertions", number)
        words = len(assertion.verification.strip())
        if not words:
            message = f"{shown(assertion.id)} does not say how it is verified."
            yield finding("blank-verification", path + "/verification", message, assertion.id)
        elif words < VAGUE_VERIFICATION:
            message = f"{shown(assertion.id)} is verified by “{shown(assertion.verification)}” only."
            yield finding("vague-verification", path + "/verification", message, assertion.id)
        key = " ".join(assertion.assertion.casefold().split())
        if key and seen.setdefault(key, assertion.id) != assertion.id:
            message = f"{shown(assertion.id)} says the same as {shown(seen[key])}."
            yield finding("duplicate-assertion", path + "/assertion", message, assertion.id)


def _user_testing(plan: PlanDocument) -> Iterator[Finding]:
    skill = (plan.skills.validatorUserTesting or "").strip()
    for m, milestone in enumerate(plan.milestones):
        path, instructions = (
            pointer("milestones", m, "userTesting"),
            milestone.userTesting.instructions.strip(),
        )
        if milestone.userTesting.required and not instructions and not skill:
            message = f"Milestone {shown(milestone.id)} asks for user testing without saying how."
            yield finding("user-testing-unexplained", path, message, milestone.id)
        if instructions and not milestone.userTesting.required:
            message = f"Milestone {shown(milestone.id)} describes user testing but does not ask for it."
            yield finding("user-testing-unused", path, message, milestone.id)


def _budget(plan: PlanDocument) -> Iterator[Finding]:
    budget = plan.budget
    if budget.usd is None and budget.tokens is None and budget.wallMinutes is None and budget.runs is None:
        yield finding("no-budget", "/budget", "Nothing limits what the mission may use.")
    least = sum(len(m.features) + 1 + m.userTesting.required for m in plan.milestones)
    if budget.runs is not None and budget.runs < least:
        message = f"{budget.runs} runs are allowed, but the plan needs at least {least}."
        yield finding("budget-too-small", "/budget/runs", message)


def _environment(plan: PlanDocument) -> Iterator[Finding]:
    environment = plan.environment
    if not environment.checks:
        yield finding("no-checks", "/environment/checks", "No command is named that must pass.")
    for number, check in enumerate(environment.checks):
        path = pointer("environment", "checks", number)
        for rule, wrong, what in (
            ("check-masks-status", masks_status, "hides its own result"),
            ("check-never-ends", may_never_end, "may never end"),
            ("check-changes-things", changes_things, "changes more than it checks"),
        ):
            if wrong(check[:LONGEST_COMMAND]):
                yield finding(rule, path, f"“{shown(check)}” {what}.")
        if check in environment.checks[:number]:
            yield finding("duplicate-check", path, f"“{shown(check)}” is listed twice.")
    for number, host in enumerate(environment.network):
        path = pointer("environment", "network", number)
        if host == "*":
            yield finding("network-any", path, "Every command may reach every host.")
        elif not _HOST.match(host) and not _ADDRESS.match(host):
            yield finding("network-form", path, f"“{shown(host)}” is not a host name.")
    for number, copied in enumerate(environment.copyPaths):
        trouble = path_trouble(copied)
        if trouble:
            yield finding(
                "copy-path", pointer("environment", "copy", number), f"“{shown(copied)}” {trouble}."
            )
    if environment.workspace != "clone":
        for name, used in (("setup", environment.setup), ("copy", environment.copyPaths)):
            if used:
                message = f"`{name}` prepares a private clone, but the mission works in place."
                yield finding("clone-only", pointer("environment", name), message)


def path_trouble(path: str) -> str | None:
    """What is wrong with a path that must stay inside the repository (``is absolute``), or None."""
    parts = path.replace("\\", "/").split("/")
    if not path.strip():
        return "is blank"
    if len(path) > LONGEST_ENTRY:
        return "is too long"
    if parts[0] == "" or parts[0].startswith("~") or _DRIVE.match(path):
        return "is absolute"
    if ".." in parts:
        return "leads out of the repository"
    if any(part.casefold().rstrip(" .") == ".git" for part in parts):
        return "lies inside .git"
    if all(part in ("", ".") for part in parts):
        return "is the whole repository"
    return None


def _models(plan: PlanDocument) -> Iterator[Finding]:
    for role, choice in plan.models.items():
        for name, value in (("model", choice.model), ("fallback", choice.fallback)):
            if value is not None and not value.strip():
                yield finding(
                    "model-blank", pointer("models", role, name), f"The {name} of the {role} is blank."
                )
        if choice.fallback is not None and choice.fallback == choice.model:
            message = f"The {role} falls back to the same model."
            yield finding("fallback-same", pointer("models", role, "fallback"), message)
