"""Playbooks made from plans, for tests: honest runs of every role, and runs that lie in one named way.

Each function returns playbook data (rules) or a playbook. Nothing here reads a repository; whatever a script claims, it
takes from the results of the commands it had run, unless lying is its purpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from missions.simulator.lies import answer, bash, deviate_validator, deviate_worker
from missions.simulator.playbook import Playbook
from missions.simulator.shapes import Object, a_list, a_text, an_object, objects

_COMMIT = "{{result:^[0-9a-f]{40}$}}"
_COMPLIANCE = (
    "readMissionContext",
    "checkedGitStatusBeforeWork",
    "ranRequiredValidation",
    "committedChanges",
    "updatedHandoff",
)
_PROBE = "git log --oneline -5"


def playbook_for(
    plan: Object,
    *,
    deviations: Mapping[str, str] | None = None,
    every_attempt: bool = False,
    recovery: Sequence[Object] = (),
) -> Playbook:
    """Every unit of a plan carried out: four model turns a worker, two a validator.

    ``deviations`` names a :data:`~lies.WorkerLie` by feature id, a :data:`~lies.ValidatorLie` by milestone id (scrutiny) or by
    ``<milestone>:user-testing``; it holds for the first attempt only, unless ``every_attempt``. ``recovery`` are rules of
    the orchestrator (see :func:`recovery_rule`); they are tried first.
    """
    odd = dict(deviations or {})
    when: Object = {} if every_attempt else {"attempt": 1}
    checks = [str(check) for check in a_list(an_object(plan.get("environment")).get("checks"))]
    rules: list[Any] = list(recovery)
    for milestone in objects(plan.get("milestones")):
        name = a_text(milestone.get("id"))
        for feature in objects(milestone.get("features")):
            rules.extend(_both(odd.pop(a_text(feature.get("id")), None), when, worker_rule, feature, checks))
        wanted = assertion_ids(milestone)
        scrutiny = {"id": name, "assertions": wanted, "mode": "scrutiny"}
        rules.extend(_both(odd.pop(name, None), when, validator_rule, scrutiny, checks))
        testing = {"id": name, "assertions": wanted, "mode": "user-testing"}
        rules.extend(_both(odd.pop(f"{name}:user-testing", None), when, validator_rule, testing, checks))
    if odd:
        raise ValueError(f"the plan has no {', '.join(odd)}")
    # Features that a recovery adds later are carried out like those of the plan.
    rules.append(worker_rule({"id": "{{task}}", "title": "repair"}, checks, any_task=True))
    return Playbook.from_data({"title": a_text(plan.get("title")), "rules": rules})


def worker_rule(
    feature: Object,
    checks: Sequence[str] = (),
    lie: str | None = None,
    when: Object | None = None,
    *,
    any_task: bool = False,
) -> Object:
    """A worker that writes ``work/<feature>.txt``, runs the checks, commits and hands over; a liar insists on its handoff."""
    name = a_text(feature.get("id"))
    title = a_text(feature.get("title")).replace("'", "")
    path = f"work/{name}.txt"
    # The run is part of the content, so that a second attempt has something to commit.
    write: Object = {
        "name": "write",
        "input": {"path": path, "content": f"{name}: {title}, by {{{{run}}}}\n"},
    }
    checking = [bash(check) for check in checks] or [bash(f"test -s {path}")]
    commit = bash(
        f"git add -- {path} && (git diff --cached --quiet || git commit -q -m '{name}: {title}') && git rev-parse HEAD"
    )
    handoff = _handoff(name, [path])
    turns: list[Object] = [
        {"text": f"Starting {name}.", "tools": [bash("git status --short && git rev-parse HEAD"), write]},
        {"text": "Running the checks.", "tools": checking},
        {"text": "Committing.", "tools": [commit]},
        {"text": "Handing over.", "tools": [{"name": "submit_handoff", "input": handoff}]},
    ]
    if lie is not None:
        deviate_worker(lie, turns, handoff, path)
    condition: Object = {"role": "worker", **(when or {})}
    if not any_task:
        condition["task"] = name
    label = f"worker {'of any feature' if any_task else name}" + (f", {lie}" if lie else "")
    return {"name": label, "when": condition, "turns": turns, "repeatLast": lie is not None}


def validator_rule(
    milestone: Object, checks: Sequence[str] = (), lie: str | None = None, when: Object | None = None
) -> Object:
    """A validator that runs the checks and passes every assertion (``id``, ``assertions``, ``mode`` of the milestone)."""
    name, mode = a_text(milestone.get("id")), a_text(milestone.get("mode"))
    commands = [bash(check) for check in checks] or [bash(_PROBE)]
    last = str(an_object(commands[-1]["input"])["command"])
    ids = [str(item) for item in a_list(milestone.get("assertions"))]
    report = _report(name, mode, [answer(item, "pass", {"$ordinal": last}) for item in ids])
    tool = "submit_validation_report" if mode == "scrutiny" else "submit_user_testing_report"
    turns: list[Object] = [
        {"text": f"Judging {name}.", "tools": commands},
        {"text": "My verdict.", "tools": [{"name": tool, "input": report}]},
    ]
    if lie is not None:
        deviate_validator(lie, turns, report)
    condition: Object = {"role": mode, "task": name, **(when or {})}
    label = f"{mode} {name}" + (f", {lie}" if lie else "")
    return {"name": label, "when": condition, "turns": turns, "repeatLast": lie is not None}


def recovery_rule(
    outcome: str,
    operations: Sequence[Object] = (),
    when: Object | None = None,
    *,
    reason: str = "That is what the packet asks for.",
    question: str | None = None,
    options: Sequence[Object] | None = None,
) -> Object:
    """An orchestrator that revises the plan by these operations, if any, and submits this outcome."""
    turns: list[Object] = []
    if operations:
        revise: Object = {"reason": reason, "operations": list(operations)}
        turns.append(
            {"text": "Revising the plan.", "tools": [{"name": "mission_revise_plan", "input": revise}]}
        )
    chosen: Object = {
        "outcome": outcome,
        "reason": reason,
        "question": question,
        "options": list(options) if options is not None else None,
    }
    turns.append({"text": "Deciding.", "tools": [{"name": "submit_recovery", "input": chosen}]})
    return {"name": f"recovery {outcome}", "when": {"role": "orchestrator", **(when or {})}, "turns": turns}


def repair_operation(
    milestone: str, feature: str, *, depends_on: Sequence[str] = (), defect: str = "D1"
) -> Object:
    """``add_feature`` that repairs a defect of the milestone's last validation, named in the packet."""
    return {
        "op": "add_feature",
        "milestoneId": milestone,
        "feature": {
            "id": feature,
            "title": "Repair what validation found",
            "description": f"Repair defect {defect} as its reproduction and its locations describe it.",
            "dependencies": list(depends_on),
            "claims": [],
        },
        "repairs": {
            "runId": f"{{{{first:\\d+-(?:validator|user-testing)-{milestone}\\b}}}}",
            "defectId": defect,
        },
    }


def assertion_ids(milestone: Object) -> list[str]:
    """What a milestone is validated against: its own claims and its features'."""
    found = [str(item) for item in a_list(milestone.get("claims"))]
    for feature in objects(milestone.get("features")):
        found.extend(str(item) for item in a_list(feature.get("claims")))
    return found


def _both(lie: str | None, when: Object, rule: Any, subject: Object, checks: Sequence[str]) -> list[Object]:
    deviating = [rule(subject, checks, lie, when)] if lie is not None else []
    return [*deviating, rule(subject, checks)]


def _handoff(name: str, files: list[str]) -> Object:
    return {
        "featureId": name,
        "status": "complete",
        "summary": f"{name} is done.",
        "commit": _COMMIT,
        "implemented": [f"What {name} asks for"],
        "leftUndone": [],
        "filesChanged": files,
        "commandsRun": {"$commands": ""},
        "issuesDiscovered": [],
        "risks": [],
        "procedureCompliance": dict.fromkeys(_COMPLIANCE, True),
    }


def _report(name: str, mode: str, assertions: list[Object]) -> Object:
    testing = mode == "user-testing"
    return {
        "status": "pass",
        "summary": f"{name} holds.",
        "commandsRun": {"$commands": ""},
        "assertions": assertions,
        "defects": [],
        "procedureFindings": [],
        "recommendation": "accept",
        "milestoneId": name,
        "featureId": name if testing else None,
        "screens": [{"name": "Use", "observed": "It does what was promised."}] if testing else [],
    }
