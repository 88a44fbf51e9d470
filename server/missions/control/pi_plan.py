"""From what pi-missions 0.1.2 wrote about a mission to a plan of ours, and how far each part had come. Pure.

Its fields are checked by nobody there, so nothing is taken for granted: what is missing is filled, what cannot stand is
mended by rule, and every mending is said. It never judges the plan: the lint does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast

from missions.model.ids import ITEM_ID
from missions.store.redact import clean_text

_RANK = {"pending": 0, "failed": 1, "running": 2, "skipped": 3, "complete": 4}
_SEVERITIES = ("critical", "major", "minor")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_ROLES = {
    "planner": "orchestrator",
    "worker": "worker",
    "validator": "validator",
    "orchestrator": "orchestrator",
}
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:/-]{0,199}\Z")
_LONGEST_TITLE = 200


@dataclass
class PiFeature:
    """How far a feature had come there."""

    status: str
    commit: str | None


@dataclass
class PiMilestone:
    """The last validation runs of a milestone there."""

    scrutiny: str | None
    user_testing: str | None
    needs_user_testing: bool


@dataclass
class PiPlan:
    """The plan as JSON for the lint, what was mended, and the state by our ids."""

    plan: dict[str, Any]
    repairs: list[str] = field(default_factory=list[str])
    features: dict[str, PiFeature] = field(default_factory=dict[str, PiFeature])
    milestones: dict[str, PiMilestone] = field(default_factory=dict[str, PiMilestone])


def convert(mission: dict[str, Any], objective: str, contract: object, skills: dict[str, str]) -> PiPlan:
    """The plan of ``mission`` (its ``mission.json``), with the texts of its plan files and ``skills`` by folder name."""
    title = _line(mission.get("title")) or "Imported mission"
    return _Conversion(mission, title, _text(objective) or title, contract, skills).run()


class _Conversion:
    def __init__(
        self, mission: dict[str, Any], title: str, objective: str, contract: object, skills: dict[str, str]
    ) -> None:
        self.mission = mission
        self.title = title
        self.skills = {name: _text(text) for name, text in skills.items()}
        self.contract = contract
        self.objective = objective
        self.taken: set[str] = set()
        self.result = PiPlan({})

    def run(self) -> PiPlan:
        milestones = self._milestones()
        self._dependencies(milestones)
        assertions = self._contract(milestones)
        worker = self.skills.get("worker") or "Work as the plan and the repository's own rules say."
        scrutiny = self.skills.get("validator-scrutiny") or "Check every assertion of the contract."
        user_testing = self.skills.get("validator-user-testing")
        self.result.plan = {
            "title": self.title,
            "objective": self.objective,
            "milestones": milestones,
            "validationContract": {"assertions": assertions},
            "skills": {"worker": worker, "validatorScrutiny": scrutiny}
            | ({"validatorUserTesting": user_testing} if user_testing else {}),
            "models": self._models(),
        }
        return self.result

    def _say(self, text: str) -> None:
        self.result.repairs.append(text)

    def _id(self, raw: object, kind: str, letter: str) -> str:
        given = raw if isinstance(raw, str) else ""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", given).strip("-._")[:36] or f"{letter}{len(self.taken) + 1}"
        name, number = plain, 2
        while name.casefold() in self.taken or not ITEM_ID.match(name):
            name, number = f"{plain}-{number}", number + 1
        self.taken.add(name.casefold())
        if name != given:
            self._say(f"The {kind} {_line(given)!r} is called {name} now.")
        return name

    # Milestones and features

    def _milestones(self) -> list[dict[str, Any]]:
        legacy = _dicts(self.mission.get("features"))
        raw = _dicts(self.mission.get("milestones"))
        if not raw and legacy:
            raw = [{"id": "M1", "title": self.title, "features": legacy}]
            self._say("The features stood outside of milestones; they form one milestone now.")
        older = {str(f.get("id")): f for f in legacy}
        merged: dict[str, PiFeature] = {}
        self.feature_ids: dict[str, str] = {}
        milestones: list[dict[str, Any]] = []
        for entry in raw:
            milestone_id = self._id(entry.get("id"), "milestone", "M")
            features: list[dict[str, Any]] = []
            for feature in _dicts(entry.get("features")):
                made = self._feature(feature, older.get(str(feature.get("id"))), merged)
                if made is not None:
                    features.append(made)
            if not features:
                self._say(f"The milestone {milestone_id} had no features and was left out.")
                continue
            milestones.append(self._milestone(entry, milestone_id, features))
        return milestones

    def _milestone(
        self, entry: dict[str, Any], milestone_id: str, features: list[dict[str, Any]]
    ) -> dict[str, Any]:
        state = _dict(entry.get("validationState"))
        testing = _dict(state.get("userTesting"))
        required = testing.get("required") is True
        instructions = _text(testing.get("instructions"))
        validation = _text(entry.get("validation"))
        if required and not instructions and not self.skills.get("validator-user-testing"):
            instructions = validation or "Use the product as a user would and check what the contract says."
            self._say(f"User testing of {milestone_id} had no instructions; they were filled in.")
        self.result.milestones[milestone_id] = PiMilestone(
            _name(state.get("runId")) or _name(entry.get("validationRunId")),
            _name(state.get("userTestingRunId")),
            required,
        )
        limit = state.get("failureLimit") or _dict(self.mission.get("validation")).get("failureLimit")
        made: dict[str, Any] = {
            "id": milestone_id,
            "title": _line(entry.get("title")) or milestone_id,
            "objective": _text(entry.get("objective")),
            "validation": validation,
            "userTesting": {"required": required, "instructions": instructions},
            "claims": [],
            "features": features,
        }
        if isinstance(limit, int) and 1 <= limit <= 100:
            made["failureLimit"] = limit
        return made

    def _feature(
        self, raw: dict[str, Any], older: dict[str, Any] | None, merged: dict[str, PiFeature]
    ) -> dict[str, Any] | None:
        old_id = str(raw.get("id"))
        states = [raw, *([older] if older is not None else [])]
        status = max((_status(one) for one in states), key=_RANK.__getitem__)
        commit = next((c for c in (_name(one.get("commit")) for one in states) if c), None)
        if old_id in merged:
            before = merged[old_id]
            before.status = max(before.status, status, key=_RANK.__getitem__)
            before.commit = before.commit or commit
            self._say(f"The feature {_line(old_id)} was listed twice; it is listed once now.")
            return None
        state = merged[old_id] = PiFeature(status, commit)
        name = self._id(raw.get("id"), "feature", "F")
        self.feature_ids[old_id] = name
        self.result.features[name] = state
        title = _line(raw.get("title")) or name
        needs = raw.get("dependencies")
        return {
            "id": name,
            "title": title,
            "description": _text(raw.get("description")) or title,
            "dependencies": [d for d in cast("list[object]", needs) if isinstance(d, str)]
            if isinstance(needs, list)
            else [],
            "claims": [],
        }

    def _dependencies(self, milestones: list[dict[str, Any]]) -> None:
        """Only known features, once, and never of a later milestone: anything else could never run."""
        place = {f["id"]: number for number, m in enumerate(milestones) for f in m["features"]}
        for number, milestone in enumerate(milestones):
            for feature in milestone["features"]:
                kept: list[str] = []
                for old in feature["dependencies"]:
                    name = self.feature_ids.get(old)
                    if name is None or name == feature["id"] or place.get(name, number + 1) > number:
                        self._say(f"{feature['id']} depended on {_line(old)!r}, which could never be met.")
                    elif name not in kept:
                        kept.append(name)
                feature["dependencies"] = kept

    # Contract

    def _contract(self, milestones: list[dict[str, Any]]) -> list[dict[str, Any]]:
        listed = _dicts(self.contract) or _dicts(_dict(self.contract).get("assertions"))
        assertions: list[dict[str, Any]] = []
        for entry in listed:
            text = _text(entry.get("assertion"))
            if not text:
                self._say("An assertion without words was left out.")
                continue
            old = entry.get("id")
            name = (
                self._id(old, "assertion", "A") if isinstance(old, str) else self._id(None, "assertion", "A")
            )
            verification = _text(entry.get("verification"))
            if not verification:
                verification = (
                    f"Show by a command and its output, or by what is seen, that this holds: {text}"[:4000]
                )
                self._say(f"The assertion {name} said no way to verify it; one was filled in.")
            severity = str(entry.get("severity")).lower()
            assertions.append(
                {
                    "id": name,
                    "category": _line(entry.get("category")) or "functional",
                    "severity": severity if severity in _SEVERITIES else "major",
                    "assertion": text,
                    "verification": verification,
                }
            )
            self._claim(name, str(old) if isinstance(old, str) else name, milestones)
        for milestone in milestones:
            if not milestone["claims"] and not any(f["claims"] for f in milestone["features"]):
                assertions.append(self._own_assertion(milestone))
        return assertions

    def _claim(self, name: str, old: str, milestones: list[dict[str, Any]]) -> None:
        """The item that speaks of the assertion claims it, else the last milestone, when everything is there."""
        if not milestones:
            return
        word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(old)}(?![A-Za-z0-9])")
        for milestone in milestones:
            for feature in milestone["features"]:
                if word.search(feature["title"] + "\n" + feature["description"]):
                    feature["claims"].append(name)
                    return
            if word.search("\n".join((milestone["title"], milestone["objective"], milestone["validation"]))):
                milestone["claims"].append(name)
                return
        milestones[-1]["claims"].append(name)
        self._say(f"Nobody claimed the assertion {name}; the milestone {milestones[-1]['id']} does now.")

    def _own_assertion(self, milestone: dict[str, Any]) -> dict[str, Any]:
        name = self._id(f"A-{milestone['id']}"[:36], "assertion", "A")
        milestone["claims"].append(name)
        self._say(f"The milestone {milestone['id']} had nothing to be judged by; {name} says its objective.")
        goal = milestone["objective"] or milestone["title"]
        return {
            "id": name,
            "category": "functional",
            "severity": "major",
            "assertion": goal[:4000],
            "verification": (
                milestone["validation"]
                or "Check by commands that each feature of the milestone does what it says."
            )[:4000],
        }

    # Models

    def _models(self) -> dict[str, dict[str, str]]:
        given = _dict(self.mission.get("models"))
        found: dict[str, dict[str, str]] = {}
        for ours, theirs in _ROLES.items():
            raw = given.get(theirs)
            if not isinstance(raw, str) or raw.strip() in ("", "default"):
                continue
            name, _, effort = raw.strip().partition(":")
            provider, slash, model = name.rpartition("/")
            if (slash and provider != "anthropic") or not _MODEL.match(model):
                self._say(f"The model {_line(raw)!r} of the {ours} is not available; the default is used.")
                continue
            found[ours] = {"model": model, **({"effort": effort} if effort in _EFFORTS else {})}
        return found


def _dict(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    found = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", one) for one in found if isinstance(one, dict)]


def _text(value: object) -> str:
    return clean_text(value).strip() if isinstance(value, str) else ""


def _line(value: object) -> str:
    return " ".join(_text(value).split())[:_LONGEST_TITLE].strip()


def _name(value: object) -> str | None:
    """A run id or commit as it stands there, if it can be one."""
    return (
        value if isinstance(value, str) and re.match(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\Z", value) else None
    )


def _status(raw: dict[str, Any]) -> str:
    status = raw.get("status")
    return status if isinstance(status, str) and status in _RANK else "pending"
