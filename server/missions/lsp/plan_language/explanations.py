"""What hover says about a word: the item, its state in words, its runs with cost and time, and what it belongs to.

Markdown from the state alone; foreign words are escaped. It offers no command and no link into the unknown.
"""

from __future__ import annotations

from collections.abc import Iterator

from missions.lsp.plan_language.knowledge import Knowledge, Word
from missions.model.costs import costs
from missions.model.figures import duration_text, money_text
from missions.model.markdown_text import code, inline, lines
from missions.model.mission import Feature, Milestone, Mission, Run
from missions.model.next_action import next_action, waits_for
from missions.model.pages import run_facts
from missions.model.recovery import CATEGORIES
from missions.model.view import current_block, mark, progress, run_title

_STATES = {
    "pending": "has not begun",
    "running": "is being worked on",
    "validating": "is being validated",
    "complete": "is done",
    "failed": "failed; the mission waits for a way on",
    "skipped": "was left out",
}
_VERDICTS = {
    "pass": "holds",
    "fail": "does not hold",
    "inconclusive": "could not be judged",
}


def explanation(knowledge: Knowledge, word: Word) -> str:
    """The Markdown about a word; empty if there is nothing to say."""
    writers = {
        "mission": _mission,
        "milestone": _milestone,
        "feature": _feature,
        "assertion": _assertion,
        "run": _run,
        "commit": _commit,
        "defect": _defect,
        "file": _file,
    }
    return "\n".join(writers[word.kind](knowledge, word)).strip()


def _mission(knowledge: Knowledge, word: Word) -> Iterator[str]:
    mission = knowledge.mission
    if mission is None or mission.id != word.id:
        return
    yield f"**{inline(mission.title)}** — {mission.status}"
    yield ""
    done = progress(mission.all_features())
    yield f"- {done.completed} of {done.total} features {done.bar(8)}"
    yield f"- {money_text(mission.usage.costMicroUsd, mission.usage.estimated)}, {len(mission.runs)} runs"
    waiting = waits_for(mission)
    if waiting:
        yield f"- Waits for {inline(waiting)}"
    yield f"- {inline(next_action(mission).sentence)}"


def _milestone(knowledge: Knowledge, word: Word) -> Iterator[str]:
    mission = knowledge.mission
    milestone = mission.milestone(word.id) if mission is not None else None
    if mission is None or milestone is None:
        item = knowledge.outline.item(word.id)
        if item is not None:
            yield f"**Milestone {inline(word.id)}** {inline(item.title)}"
            yield ""
            yield f"{len(item.children)} features."
        return
    yield f"**{mark(milestone.status)} Milestone {inline(milestone.id)}** {inline(milestone.title)}"
    yield ""
    yield f"It {_STATES[milestone.status]}; {progress(milestone.features).completed} of {len(milestone.features)} features are done."
    yield ""
    yield from _validations(mission, milestone)
    spent = next((m for m in costs(mission).milestones if m.id == milestone.id), None)
    if spent is not None and spent.runs:
        cost = money_text(spent.usage.costMicroUsd, spent.usage.estimated)
        yield f"- {spent.runs} runs, {cost}, {duration_text(spent.durationMs)}"
    yield from _stopped(mission, milestone.id)


def _validations(mission: Mission, milestone: Milestone) -> Iterator[str]:
    state = milestone.validationState
    for name, passed in (("Scrutiny", state.scrutiny), ("User testing", state.userTesting)):
        if name == "User testing" and not milestone.userTesting.required:
            continue
        verdict = passed.verdict or (
            "runs or is to run" if milestone.features_done else "comes after the features"
        )
        yield f"- {name}: {verdict}" + (f", attempt {passed.attempts}" if passed.attempts else "")
    if state.failureCount:
        yield f"- Failed {state.failureCount} of at most {mission.failure_limit(milestone)} times"
    for waiver in state.waived:
        yield f"- Defect {inline(waiver.defectId)} was accepted: {inline(waiver.reason, 200)}"


def _stopped(mission: Mission, item_id: str) -> Iterator[str]:
    block = current_block(mission)
    if block is not None and item_id in (block.featureId, block.milestoneId, block.failedItemId):
        yield ""
        yield f"**The mission stopped here.** {inline(CATEGORIES[block.reasonCategory].shown)}"
        yield ""
        yield lines(block.message, 600)


def _feature(knowledge: Knowledge, word: Word) -> Iterator[str]:
    mission = knowledge.mission
    feature = mission.feature(word.id) if mission is not None else None
    if mission is None or feature is None:
        item = knowledge.outline.item(word.id)
        if item is not None:
            yield f"**Feature {inline(word.id)}** {inline(item.title)}"
            yield ""
            yield lines(item.node.text("description"), 600)
        return
    yield f"**{mark(feature.status)} Feature {inline(feature.id)}** {inline(feature.title)}"
    yield ""
    yield f"It {_STATES[feature.status]}{_waiting_for(mission, feature)}."
    yield ""
    if feature.reason:
        yield f"- {'Reason' if feature.status == 'skipped' else 'Note'}: {inline(feature.reason, 300)}"
    if feature.origin.kind == "repair":
        yield f"- Repairs {code(feature.origin.defectId or '')} of run {code(feature.origin.runId or '')}"
    if feature.commit:
        yield f"- Commit {code(feature.commit[:12])}"
    for claim in feature.claims:
        yield f"- Claims {inline(claim)}{_claim(knowledge, claim)}"
    yield from _spent(mission, "worker", feature.id)
    yield from _stopped(mission, feature.id)


def _waiting_for(mission: Mission, feature: Feature) -> str:
    if feature.status != "pending":
        return ""
    names = [mission.feature(name) for name in feature.dependencies]
    open_ones = [f.id for f in names if f is not None and f.status not in ("complete", "skipped")]
    return f"; first come {inline(', '.join(open_ones))}" if open_ones else ""


def _spent(mission: Mission, kind: str, item_id: str) -> Iterator[str]:
    runs = [run for run in mission.runs if run.kind == kind and run.itemId == item_id]
    for run in runs[-5:]:
        cost = money_text(run.usage.costMicroUsd, run.usage.estimated)
        yield f"- Attempt {run.attempt}: {run.status}, {cost}, {duration_text(run.durationMs)} ({code(run.runId)})"


def _claim(knowledge: Knowledge, assertion_id: str) -> str:
    verdict = verdict_of(knowledge, assertion_id)
    return f" ({_VERDICTS[verdict]})" if verdict else ""


def verdict_of(knowledge: Knowledge, assertion_id: str) -> str | None:
    """The newest verdict on an assertion."""
    for report in reversed(knowledge.reports.values()):
        for answer in report.assertions:
            if answer.assertionId == assertion_id:
                return answer.status
    return None


def _assertion(knowledge: Knowledge, word: Word) -> Iterator[str]:
    plan = knowledge.plan
    found = next((a for a in plan.validationContract.assertions if a.id == word.id), None) if plan else None
    item = knowledge.outline.item(word.id)
    if found is None and item is None:
        return
    statement = found.assertion if found else item.title if item else ""
    verification = found.verification if found else item.node.text("verification") if item else ""
    severity = found.severity if found else item.node.text("severity") if item else ""
    yield f"**Assertion {inline(word.id)}** {f'({inline(severity)})' if severity else ''}".rstrip()
    yield ""
    yield lines(statement, 800)
    yield ""
    if verification:
        yield f"Verified by: {lines(verification, 800)}"
        yield ""
    for claimant in sorted(
        {mention.by for mention in knowledge.outline.of(word.id)} or _claimants(knowledge, word.id)
    ):
        yield f"- Claimed by {inline(claimant)}"
    for run_id, report in list(knowledge.reports.items())[-5:]:
        for answer in report.assertions:
            if answer.assertionId == word.id:
                yield f"- It {_VERDICTS[answer.status]}, says {code(run_id)}"


def _claimants(knowledge: Knowledge, assertion_id: str) -> set[str]:
    mission = knowledge.mission
    if mission is None:
        return set()
    items = [*mission.milestones, *mission.all_features()]
    return {item.id for item in items if assertion_id in item.claims}


def _run(knowledge: Knowledge, word: Word) -> Iterator[str]:
    run = knowledge.run(word.id)
    if run is not None and knowledge.mission is not None:
        yield from _about_run(knowledge.mission, run)


def _about_run(mission: Mission, run: Run) -> Iterator[str]:
    yield f"**{inline(run_title(mission, run))}**, attempt {run.attempt}"
    yield ""
    yield from run_facts(mission, run)


def _commit(knowledge: Knowledge, word: Word) -> Iterator[str]:
    run = knowledge.run_of_commit(word.id)
    if run is None or knowledge.mission is None:
        return
    made = (run.commit or "").startswith(word.id)
    yield f"**Commit {code(word.id[:12])}** {'was made by' if made else 'is what this run began on:'}"
    yield ""
    yield from _about_run(knowledge.mission, run)


def _defect(knowledge: Knowledge, word: Word) -> Iterator[str]:
    found = knowledge.defect(word.id)
    if found is None:
        return
    run_id, defect = found
    yield f"**Defect {inline(defect.id)}** ({defect.severity}) {inline(defect.title)}"
    yield ""
    yield lines(defect.description, 1000)
    yield ""
    yield f"- Found by {code(run_id)}"
    for place in (defect.locations or ())[:5]:
        yield f"- At {code(f'{place.path}:{place.startLine}')}"


def _file(knowledge: Knowledge, word: Word) -> Iterator[str]:
    yield f"{code(word.id)} in the mission's repository"
