"""Mission Control and single missions as read-only Markdown pages, for editors and for whoever prints them.

Pure: the same values give the same text. Links are relative, so a page works in an editor, in a folder and in print.
Foreign words are escaped. A page offers nothing that changes a mission; it names the operations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from missions.model.costs import time_split
from missions.model.figures import ago_text, duration_text, money_text, tokens_text
from missions.model.lint_rules import RULES
from missions.model.markdown_text import code, inline, lines
from missions.model.mission import Feature, Milestone, Mission, Run
from missions.model.next_action import lifecycle, next_action, waits_for
from missions.model.recovery import CATEGORIES
from missions.model.view import (
    Card,
    Overview,
    current_block,
    current_task,
    mark,
    place,
    progress,
    run_result,
    run_title,
)

_FEATURES = 500


def overview_page(overview: Overview, now: datetime) -> str:
    """``control.md``: all missions in the sections of Mission Control."""
    parts = ["# Mission Control", ""]
    if not overview.cards and not overview.damaged:
        parts += ["There is no mission yet. Plan one in the chat, or try the demo mission.", ""]
    for section in overview.sections:
        if not section.cards:
            continue
        parts += [f"## {section.title} ({len(section.cards)})", ""]
        for card in section.cards:
            parts += [*_card(card, now), ""]
    if overview.damaged:
        parts += ["## Cannot be shown", ""]
        parts += [f"- {code(one.id)}: {inline(one.problem)}" for one in overview.damaged]
        parts.append("")
    return _page(parts)


def _card(card: Card, now: datetime) -> Iterator[str]:
    demo = " (demo)" if card.demo else ""
    yield f"### [{inline(card.title)}]({card.id}/control.md){demo}"
    yield ""
    done = card.progress
    yield f"- {card.status}, {done.completed} of {done.total} features {done.bar(8)}"
    yield f"- {inline(card.currentTask)}"
    if card.waitsFor:
        yield f"- **Waits for {inline(card.waitsFor)}**"
    cost = money_text(card.usage.costMicroUsd, card.usage.estimated)
    yield f"- {cost}, {duration_text(card.busyMs)} of work, {ago_text(card.updatedAt, now)}, in {inline(card.place.location)}"


def mission_page(
    mission: Mission, now: datetime, runner_alive: bool | None = None, *, has_report: bool = False
) -> str:
    """``<id>/control.md``: one mission with everything that is known without reading its runs."""
    parts = [f"# {inline(mission.title)}{' (demo)' if mission.demo else ''}", ""]
    parts += [*_head(mission, now, runner_alive), ""]
    parts += _block(mission)
    parts += _decisions(mission)
    parts += ["## Plan", ""]
    left = _FEATURES
    for milestone in mission.milestones:
        parts += [*_milestone(milestone, max(0, left)), ""]
        left -= len(milestone.features)
    parts += _runs(mission)
    parts += ["## See also", "", "- [Mission Control](../control.md)"]
    if has_report:
        parts.append("- [Report](report.md)")
    return _page(parts)


def _with_commands(sentence: str) -> str:
    """A sentence whose commands stand between back-ticks; any text inside a pair is shown as it is."""
    parts = sentence.split("`")
    if len(parts) % 2 == 0:
        return inline(sentence)
    return "".join(code(part) if number % 2 else inline(part) for number, part in enumerate(parts) if part)


def _head(mission: Mission, now: datetime, runner_alive: bool | None) -> Iterator[str]:
    done, split = progress(mission.all_features()), time_split(mission, now)
    yield f"- Status: **{mission.status}** ({inline(lifecycle(mission, runner_alive).reason)})"
    yield f"- Progress: {done.completed} of {done.total} features {done.bar(8)}"
    yield f"- Now: {inline(current_task(mission))}"
    waiting = waits_for(mission, runner_alive)
    if waiting:
        yield f"- Waits for: **{inline(waiting)}**"
    yield f"- Next: {_with_commands(next_action(mission, runner_alive).sentence)}"
    branch = f", branch {code(mission.branch)}" if mission.branch else ""
    yield f"- Place: {code(place(mission.cwd).cwd)}{branch}"
    yield (
        f"- Cost: {money_text(mission.usage.costMicroUsd, mission.usage.estimated)}, "
        f"{tokens_text(mission.usage.total_tokens)} tokens, {len(mission.runs)} runs"
    )
    yield (
        f"- Time: {duration_text(split.working)} working, {duration_text(split.validating)} validating, "
        f"{duration_text(split.waitingHuman)} waiting for you, "
        f"{duration_text(split.waitingProvider)} for the model service"
    )
    yield f"- Id: {code(mission.id)}"


def _block(mission: Mission) -> Iterator[str]:
    block = current_block(mission)
    if block is None:
        return
    yield "## Why it stopped"
    yield ""
    yield inline(CATEGORIES[block.reasonCategory].shown)
    yield ""
    if block.message:
        yield lines(block.message)
        yield ""
    about = f"{inline(block.failedItemId)} {inline(block.failedItemTitle)}"
    yield f"- At: {about}"
    if block.runId:
        yield f"- Run: [{block.runId}](runs/{block.runId}/review.md)"
    if block.failedAssertions:
        yield f"- Failed assertions: {inline(', '.join(block.failedAssertions))}"
    yield f"- Category: {code(block.reasonCategory)}, [explained here](../help/blocks.md)"
    yield ""


def _decisions(mission: Mission) -> Iterator[str]:
    for decision in mission.decisions:
        yield f"## Question: {inline(decision.question)}"
        yield ""
        if decision.context:
            yield lines(decision.context)
            yield ""
        for option in decision.options:
            yield f"- {code(option.id)} {inline(option.label)}: {inline(option.consequence)}"
        if decision.freeText:
            yield "- or an answer in your own words"
        yield ""


def _milestone(milestone: Milestone, most: int) -> Iterator[str]:
    state = milestone.validationState
    yield f"### {mark(milestone.status)} {inline(milestone.id)} {inline(milestone.title)} — {milestone.status}"
    yield ""
    for name, passed in (("scrutiny", state.scrutiny), ("user testing", state.userTesting)):
        if passed.runId:
            verdict = passed.verdict or "not judged"
            yield f"- {name}: [{verdict}](runs/{passed.runId}/review.md)"
    if state.failureCount:
        yield f"- failed validation {'once' if state.failureCount == 1 else f'{state.failureCount} times'}"
    for feature in milestone.features[:most]:
        yield _feature(feature)


def _feature(feature: Feature) -> str:
    title = f"{inline(feature.id)} {inline(feature.title)}"
    shown = f"[{title}](runs/{feature.runId}/review.md)" if feature.runId else title
    commit = f" {code(feature.commit[:12])}" if feature.commit else ""
    origin = f", repairs {inline(feature.origin.defectId or '')}" if feature.origin.kind == "repair" else ""
    reason = f": {inline(feature.reason, 200)}" if feature.reason else ""
    return f"- {mark(feature.status)} {shown} — {feature.status}{commit}{origin}{reason}"


def _runs(mission: Mission) -> Iterator[str]:
    if not mission.runs:
        return
    yield "## Runs"
    yield ""
    yield "| Run | Result | Time | Cost | |"
    yield "|---|---|---:|---:|---|"
    for run in mission.runs[-200:]:
        yield (
            f"| [{inline(run_title(mission, run))}, attempt {run.attempt}](runs/{run.runId}/review.md) | {run.status} "
            f"| {duration_text(run.durationMs)} | {money_text(run.usage.costMicroUsd, run.usage.estimated)} "
            f"| [transcript](runs/{run.runId}/transcript.md) |"
        )
    yield ""


def run_facts(mission: Mission, run: Run) -> Iterator[str]:
    """The figures of one run, as a list."""
    yield f"- Result: **{inline(run_result(run))}**"
    yield f"- Begun: {_moment(run.startedAt)}" + (
        f", ended {_moment(run.finishedAt)}" if run.finishedAt else ""
    )
    used = run.usage
    yield (
        f"- Cost: {money_text(used.costMicroUsd, used.estimated)}, {tokens_text(used.total_tokens)} tokens "
        f"({used.cache_share:.0%} of the prompts from the cache), {used.requests} requests, "
        f"{duration_text(run.durationMs)}"
    )
    if run.model:
        yield f"- Model: {code(run.model)}" + (" (simulated)" if mission.demo else "")
    if run.commit:
        base = run.baseCommit if run.baseCommit != run.commit else None
        yield f"- Commit: {code(run.commit[:12])}" + (f" on {code(base[:12])}" if base else "")


def _moment(time: str) -> str:
    """A time of the journal for people: to the second, without the letters between."""
    return inline(re.sub(r"(\.\d+)?Z$", " UTC", time.replace("T", " ")))


def blocks_page() -> str:
    """``help/blocks.md``: the categories of blocks."""
    parts = ["# Why missions stop", ""]
    for name, category in CATEGORIES.items():
        who = "the orchestrator first, then you" if category.orchestrator else "you"
        parts += [
            f"## {name}",
            "",
            category.shown,
            "",
            f"- The mission is then {category.status}; who acts: {who}.",
            f"- What can be done: {', '.join(category.operations)}.",
            "",
        ]
    return _page(parts)


def rules_page() -> str:
    """``help/rules.md``: the rules that plans are judged by."""
    parts = ["# The rules of plans", ""]
    for rule in RULES:
        parts += [f"## {rule.id}", "", f"{rule.title} ({rule.severity}).", "", inline(rule.fix), ""]
    return _page(parts)


def _page(parts: list[str]) -> str:
    text = "\n".join(parts)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip() + "\n"
