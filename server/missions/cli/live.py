"""The live picture of a mission in a terminal: its outline, what runs, what it used, what it waits for.

Drawn from what ``following`` saw and nothing else, so that whoever watches from another terminal sees the same.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from missions.cli.following import Seen
from missions.model.costs import time_split
from missions.model.figures import duration_text, elapsed_ms, money_text, tokens_text
from missions.model.mission import Milestone, Mission
from missions.model.next_action import waits_for
from missions.model.plain_text import one_line
from missions.model.view import mark, progress, run_title

_STYLES = {"✓": "green", "⏳": "yellow", "✗": "red", "↷": "dim", "○": "dim"}
_AROUND = 14
"""Lines of the picture that are not the outline."""


def picture(seen: Seen, height: int, runner_alive: bool | None = True) -> RenderableType:
    """The whole picture for a terminal of ``height`` lines."""
    mission = seen.mission
    parts: list[RenderableType] = [_head(mission), Text()]
    parts += _outline(mission, max(6, height - _AROUND))
    parts += [Text(), _now(seen), _figures(mission)]
    waiting = waits_for(mission, runner_alive)
    if waiting:
        parts.append(Text.assemble(("waits for ", "yellow"), one_line(waiting, 200)))
    return Group(*parts)


def _head(mission: Mission) -> Text:
    done = progress(mission.all_features())
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(one_line(mission.title, 100), "bold")
    if mission.demo:
        text.append("  simulated model", "magenta")
    text.append(f"\n{mission.id}  ", "dim")
    text.append(mission.status, "bold")
    text.append(f"  {done.bar(20)} {done.completed}/{done.total}")
    return text


def _outline(mission: Mission, room: int) -> list[Text]:
    lines = [line for milestone in mission.milestones for line in _milestone(milestone, True)]
    if len(lines) <= room:
        return lines
    # Too long for the screen: milestones that are not being worked on shrink to their title.
    current = mission.activeRun.milestoneId if mission.activeRun else mission.currentMilestoneId
    short = [line for m in mission.milestones for line in _milestone(m, m.id == current)]
    return short[:room]


def _milestone(milestone: Milestone, whole: bool) -> list[Text]:
    done = progress(milestone.features)
    lines = [
        _marked("", milestone.status, f"{milestone.id} {milestone.title}", f"{done.completed}/{done.total}")
    ]
    if not whole:
        return lines
    for feature in milestone.features:
        more = (
            feature.commit[:10] if feature.commit else feature.status if feature.status == "running" else ""
        )
        origin = f"repairs {feature.origin.defectId}" if feature.origin.kind == "repair" else ""
        lines.append(
            _marked("  ", feature.status, f"{feature.id} {feature.title}", f"{more} {origin}".strip())
        )
    state = milestone.validationState
    for name, passed in (("scrutiny", state.scrutiny), ("user testing", state.userTesting)):
        if name == "scrutiny" or milestone.userTesting.required:
            failures = f"failed {state.failureCount}×" if name == "scrutiny" and state.failureCount else ""
            lines.append(_marked("  ", passed.verdict or "pending", name, failures))
    return lines


def _marked(indent: str, status: str, title: str, more: str) -> Text:
    sign = mark(status)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{indent}{sign} ", _STYLES[sign])
    text.append(one_line(title, 90), "bold" if not indent else "")
    if more:
        text.append(f"  {one_line(more, 60)}", "dim")
    return text


def _now(seen: Seen) -> Text:
    run, doing = seen.mission.activeRun, seen.activity
    text = Text(no_wrap=True, overflow="ellipsis")
    if run is None:
        text.append("no unit is running", "dim")
        return text
    text.append("▶ ", "cyan")
    text.append(run_title(seen.mission, run), "cyan")
    text.append(f"  {duration_text(elapsed_ms(run.startedAt, datetime.now(UTC)))}", "dim")
    if doing.get("turn"):
        text.append(f"  turn {doing['turn']}", "dim")
    text.append("\n  " + _doing(doing))
    return text


def _doing(doing: dict[str, Any]) -> str:
    if isinstance(doing.get("retry"), dict):
        retry = cast("dict[str, Any]", doing["retry"])
        return one_line(
            f"waits for the model service: {retry.get('reason')} ({retry.get('remainingSeconds')} s)", 160
        )
    if doing.get("tool"):
        return one_line(f"{doing['tool']}: {doing.get('summary') or ''}", 160)
    return "the model answers"


def _figures(mission: Mission) -> Table:
    usage, split = mission.usage, time_split(mission, datetime.now(UTC))
    limit = mission.budget.usdMicro
    table = Table.grid(padding=(0, 3))
    elapsed = split.working + split.validating + split.waitingHuman + split.waitingProvider
    cost = money_text(usage.costMicroUsd, usage.estimated) + (f" of {money_text(limit)}" if limit else "")
    table.add_row(
        f"tokens {tokens_text(usage.total_tokens)} ({usage.cache_share:.0%} from cache)",
        f"cost {cost}",
        f"runs {len(mission.runs)}",
        f"elapsed {duration_text(elapsed)}",
    )
    return table
