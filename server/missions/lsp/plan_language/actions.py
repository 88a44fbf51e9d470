"""Code actions and code lenses: what can be done about a diagnostic or an item, each a workspace command.

An action is offered only if the state allows it now and the server has the command. Nothing is done here; the command
judges again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from lsprotocol import types

from missions.lsp.operations import PREFIX
from missions.lsp.plan_language.knowledge import Knowledge
from missions.lsp.plan_language.language import Language
from missions.model.figures import money_text
from missions.model.legal import legal_operations
from missions.model.mission import Feature, Milestone, Mission
from missions.model.plain_text import one_line
from missions.model.view import mark, progress

WAIVERS = (
    ("false alarm", "A false alarm: looked at in the editor, it is no defect."),
    ("accepted as it is", "Accepted as it is by the user, from the editor."),
    ("settled elsewhere", "Settled outside of this mission, as the user says from the editor."),
)
"""Reasons that an action can give in one step; other words are given to the command."""

Json = dict[str, Any]


def code_actions(
    language: Language, params: types.CodeActionParams
) -> list[types.CodeAction | types.Command]:
    """What can be done about the diagnostics in a range."""
    wanted = params.context.only
    if wanted and not any(
        str(getattr(kind, "value", kind)).split(".")[0] in ("quickfix", "") for kind in wanted
    ):
        return []
    found: list[types.CodeAction | types.Command] = []
    seen: set[str] = set()
    for diagnostic in language.publisher.standing(params.text_document.uri):
        if not _touches(diagnostic.range, params.range):
            continue
        for command in _for(language, diagnostic):
            if command.title not in seen and language.has(command.command):
                seen.add(command.title)
                found.append(_action(language, command, diagnostic, preferred=len(seen) == 1))
    return found


def _action(
    language: Language, command: types.Command, diagnostic: types.Diagnostic, preferred: bool
) -> types.CodeAction | types.Command:
    if not language.session.server.abilities.code_action_literals:
        return command
    return types.CodeAction(
        title=command.title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[diagnostic],
        is_preferred=preferred or None,
        command=command,
    )


def _touches(one: types.Range, other: types.Range) -> bool:
    return one.start.line <= other.end.line and other.start.line <= one.end.line


def _for(language: Language, diagnostic: types.Diagnostic) -> Iterator[types.Command]:
    data = cast(Json, diagnostic.data) if isinstance(diagnostic.data, dict) else {}
    mission = language.mission(data.get("mission"))
    if mission is None:
        return
    match data.get("kind"):
        case "defect":
            yield from _about_defect(language, mission, data)
        case "block":
            yield from _about_block(language, mission, data)
        case "proposal" if diagnostic.code == "plan-differs":
            yield _command("Apply the edited plan as a revision", "apply-plan", {"mission": mission.id})
        case _:
            return


def _about_defect(language: Language, mission: Mission, data: Json) -> Iterator[types.Command]:
    defect, run, item = data["defect"], data["run"], data["milestone"]
    name = one_line(defect, 40)
    if "repair" not in data:
        yield _command(
            f"Turn {name} into a repair feature",
            "repair",
            {"mission": mission.id, "defect": defect, "run": run},
        )
    yield from _go_on(mission)
    if mission.activeRun is None:
        yield _command(
            f"Rerun the validation of {item}", "rerun-validation", {"mission": mission.id, "milestone": item}
        )
    for label, reason in WAIVERS:
        yield _command(
            f"Waive {name}: {label}",
            "waive",
            {"mission": mission.id, "defect": defect, "run": run, "reason": reason},
        )
    yield _open(mission, "review", "Open the validation report", run)
    yield _open(mission, "transcript", "Open the validator's transcript", run)
    yield from _ask(
        language, mission, f"What is behind defect {name} of run {run}, and what are the ways on?"
    )


def _about_block(language: Language, mission: Mission, data: Json) -> Iterator[types.Command]:
    run, feature, milestone = data.get("run"), data.get("feature"), data.get("milestone")
    legal = legal_operations(mission)
    if mission.decisions:
        yield _command("Answer the open question", "control", {"mission": mission.id})
    if "retry" in legal and feature is not None:
        yield _command(f"Retry feature {feature}", "retry", {"mission": mission.id, "feature": feature})
    if "rerun-validation" in legal and milestone is not None and feature is None:
        given = {"mission": mission.id, "milestone": milestone, "mode": data.get("mode")}
        yield _command(f"Rerun the validation of {milestone}", "rerun-validation", _set(given))
    if "unblock" in legal:
        yield _command("Take the block away", "unblock", {"mission": mission.id})
    yield from _go_on(mission)
    if run is not None:
        worker = feature is not None
        yield _open(mission, "review", "Open the handoff" if worker else "Open the report", run)
        yield _open(mission, "transcript", "Open the transcript", run)
        yield _open(mission, "packet", "Open the recovery packet", run)
    yield from _ask(language, mission, "Why is the mission blocked, and what are the ways on?")


def _go_on(mission: Mission) -> Iterator[types.Command]:
    if "resume" in legal_operations(mission) and mission.activeRun is None:
        yield _command("Resume the mission", "resume", {"mission": mission.id})


def _ask(language: Language, mission: Mission, text: str) -> Iterator[types.Command]:
    # The answer comes as messages of our extension; another client would never see it.
    if language.session.server.abilities.extension:
        yield _command("Ask in chat", "send", {"mission": mission.id, "text": text})


def _open(mission: Mission, document: str, title: str, run: str) -> types.Command:
    return _command(title, "open", {"mission": mission.id, "document": document, "run": run})


def _command(title: str, operation: str, argument: Json) -> types.Command:
    return types.Command(title=title, command=PREFIX + operation, arguments=[argument])


def _set(given: Json) -> Json:
    return {name: value for name, value in given.items() if value is not None}


# Lenses


def lenses(language: Language, params: types.CodeLensParams) -> list[types.CodeLens]:
    """States and next steps above the items of a plan."""
    knowledge = language.knowledge(params.text_document.uri)
    if knowledge is None or knowledge.sheet.form not in ("plan", "features"):
        return []
    root = knowledge.sheet.tree.root
    if root is None:
        return []
    found: list[types.CodeLens] = []
    top = knowledge.sheet.lines.range(root.start, root.start + 1)
    mission = knowledge.mission
    if mission is None:
        if knowledge.sheet.source.path is not None and knowledge.sheet.source.mission is None:
            given = {"planPath": str(knowledge.sheet.source.path)}
            found.append(types.CodeLens(top, _command("Save as a new mission", "new", given)))
            found.append(types.CodeLens(top, _command("Check", "validate", given)))
    else:
        found += [types.CodeLens(top, command) for command in _of_mission(language, knowledge, mission)]
        for item in (*knowledge.outline.milestones, *knowledge.outline.features):
            where = knowledge.sheet.lines.range(item.name.start, item.name.end)
            found += [types.CodeLens(where, command) for command in _of_item(mission, item.id)]
    return [lens for lens in found if lens.command is not None and language.has(lens.command.command)]


def _of_mission(language: Language, knowledge: Knowledge, mission: Mission) -> Iterator[types.Command]:
    done = progress(mission.all_features())
    cost = money_text(mission.usage.costMicroUsd, mission.usage.estimated)
    state = f"{mark(mission.status)} {mission.status}, {done.completed} of {done.total} features, {cost}"
    yield _command(state, "control", {"mission": mission.id})
    legal = legal_operations(mission)
    if any(d.code == "plan-differs" for d in language.publisher.standing(knowledge.sheet.uri)):
        yield _command("Apply edited plan", "apply-plan", {"mission": mission.id})
    if mission.decisions:
        yield _command("Answer the open question", "control", {"mission": mission.id})
    for name, title in (("run", "Start"), ("resume", "Resume"), ("pause", "Pause")):
        if name in legal:
            yield _command(title, name, {"mission": mission.id})


def _of_item(mission: Mission, item_id: str) -> Iterator[types.Command]:
    feature, milestone = mission.feature(item_id), mission.milestone(item_id)
    if feature is not None:
        yield from _of_feature(mission, feature)
    elif milestone is not None:
        yield from _of_milestone(mission, milestone)


def _of_feature(mission: Mission, feature: Feature) -> Iterator[types.Command]:
    if feature.runId is not None:
        many = f", attempt {feature.attempts}" if feature.attempts > 1 else ""
        yield _open(mission, "review", f"{mark(feature.status)} {feature.status}{many}", feature.runId)
    if feature.status == "failed" and mission.activeRun is None and "retry" in legal_operations(mission):
        yield _command("Retry", "retry", {"mission": mission.id, "feature": feature.id})


def _of_milestone(mission: Mission, milestone: Milestone) -> Iterator[types.Command]:
    state = milestone.validationState
    for name, passed in (("scrutiny", state.scrutiny), ("user testing", state.userTesting)):
        if passed.runId is not None:
            yield _open(mission, "review", f"{name}: {passed.verdict or 'no verdict'}", passed.runId)
    block = mission.latestBlock
    here = block is not None and block.kind == "validator" and block.milestoneId == milestone.id
    if here and "rerun-validation" in legal_operations(mission):
        given = {"mission": mission.id, "milestone": milestone.id}
        yield _command("Rerun validation", "rerun-validation", given)
