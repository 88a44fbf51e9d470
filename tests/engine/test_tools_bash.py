"""The tools `bash` and `jobs` on a real sandbox: ordinals, wording, long output, jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from missions.agent.ledger import CommandEntry, CommandLedger
from missions.agent.sandbox.policy import Limits
from missions.agent.sandbox.session import Sandbox
from missions.agent.tool import Tool, ToolContext, ToolResult
from missions.agent.tools.bash import bash_tools
from missions.agent.tools.files import file_tools
from missions.agent.tools.workspace import Workspace
from support.runs import Run


class Hands:
    """All tools of a worker over one sandbox."""

    def __init__(self, run: Run, sandbox: Sandbox, ledger: CommandLedger) -> None:
        self.ledger, self.sandbox = ledger, sandbox
        workspace = Workspace(
            run.workspace,
            (run.run_dir / "output",),
            run.run_dir,
            redact=lambda text: text.replace("hunter2", "[redacted]"),
            ledger=ledger,
        )
        tools = [*bash_tools(workspace, sandbox), *file_tools(workspace)]
        self._tools: dict[str, Tool] = {tool.name: tool for tool in tools}
        self.context = ToolContext("toolu_1", asyncio.Event(), run.run_dir)

    async def __call__(self, name: str, **args: object) -> ToolResult:
        return await self._tools[name].call(args, self.context)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest_asyncio.fixture
async def hands(run: Run) -> AsyncIterator[Hands]:
    async with await Sandbox.start(run.policy(limits=Limits(disk_floor=0)), "required") as sandbox:
        yield Hands(run, sandbox, CommandLedger())


def text(result: ToolResult) -> str:
    assert isinstance(result.content, str)
    return result.content


async def test_a_result_begins_with_its_ordinal_and_the_ledger_has_it(hands: Hands) -> None:
    first = await hands("bash", command="echo hello")
    second = await hands("bash", command="exit 4")
    assert text(first).startswith("run 1 · exit code 0 · ")
    assert text(first).endswith("\nhello")
    assert text(second).startswith("run 2 · exit code 4 · ")
    assert text(second).endswith("(no output)")
    assert not second.is_error
    assert [(entry.run, entry.command, entry.exitCode, entry.masked) for entry in hands.ledger.entries] == [
        (1, "echo hello", 0, False),
        (2, "exit 4", 4, False),
    ]
    assert CommandEntry(**first.meta["command"]) == hands.ledger.get(1)


async def test_ordinals_go_on_after_a_resume(hands: Hands, run: Run) -> None:
    earlier = await hands("bash", command="true")
    edit = await hands("write", path="new.txt", content="x\n")
    resumed = Hands(run, hands.sandbox, CommandLedger.restored([earlier.meta, edit.meta]))
    assert text(await resumed("bash", command="true")).startswith("run 2 · ")
    entries = resumed.ledger.entries
    assert [resumed.ledger.after_last_edit(entry) for entry in entries] == [False, True]


@pytest.mark.parametrize("command", ["false || true", "false; true", "false; echo done", "sleep 0 &"])
async def test_a_command_that_hides_its_status_says_so(hands: Hands, command: str) -> None:
    result = await hands("bash", command=command)
    assert "hides its status" in text(result)
    assert result.meta["command"]["masked"] is True


async def test_a_trailing_cat_does_not_hide_a_failure(hands: Hands) -> None:
    result = await hands("bash", command="false | cat")
    assert text(result).startswith("run 1 · exit code 1 · ")
    assert result.meta["command"]["masked"] is False


async def test_long_output_shows_head_and_tail_and_names_the_file_with_all(hands: Hands, run: Run) -> None:
    result = await hands("bash", command="seq 1 20000")
    shown = text(result)
    assert len(shown.encode()) < 31_000
    assert "\n1\n2\n" in shown
    assert shown.endswith("\n20000")
    place = run.run_dir / "output" / "001.txt"
    assert str(place) in shown
    assert place.read_text().splitlines() == [str(number) for number in range(1, 20001)]
    assert place.stat().st_mode & 0o777 == 0o600
    inside = await hands("bash", command=f"wc -l < {place}; echo x > {place}")
    assert "20000" in text(inside)
    assert inside.meta["command"]["exitCode"] == 1
    assert "\t20000" in text(await hands("read", path=str(place), offset=19_999))


async def test_colours_and_progress_are_gone_and_secrets_are_not_shown(hands: Hands) -> None:
    result = await hands(
        "bash", command=r"printf '\033[31mred\033[0m 10%%\r20%%\rdone\n\033]0;title\007pass=hunter2\n'"
    )
    assert text(result).endswith("\ndone\npass=[redacted]")


async def test_binary_output_is_described(hands: Hands, run: Run) -> None:
    result = await hands("bash", command="head -c 1000 /dev/zero")
    assert (
        "binary output, 1000 bytes, sha256 541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53"
        in text(result)
    )
    assert (run.run_dir / "output" / "001.txt").read_bytes() == bytes(1000)


async def test_every_byte_can_be_printed(hands: Hands) -> None:
    result = await hands(
        "bash", command='python3 -c "import sys; sys.stdout.buffer.write(bytes(range(1, 256)) * 9)"'
    )
    text(result).encode("utf-8")
    assert "\x1b" not in text(result)


async def test_a_time_limit_is_an_error_with_the_output_so_far(hands: Hands) -> None:
    result = await hands("bash", command="echo begun; sleep 1000", timeout=1)
    assert result.is_error
    assert text(result).startswith("run 1 · stopped after 1 s (timeout) · ")
    assert text(result).endswith("\nbegun")
    assert (result.meta["command"]["exitCode"], result.meta["command"]["timedOut"]) == (None, True)


async def test_a_cancelled_run_ends_the_command(hands: Hands) -> None:
    task = asyncio.create_task(hands("bash", command="sleep 1000"))
    asyncio.get_running_loop().call_soon(hands.context.cancelled.set)
    result = await asyncio.wait_for(task, 20)
    assert text(result).startswith("run 1 · cancelled")
    assert hands.ledger.get(1) is not None


@pytest.mark.parametrize(
    "args",
    [
        {"command": ""},
        {"command": "true", "timeout": 0},
        {"command": "true", "timeout": 601},
        {"command": "a\0b"},
        {"command": "x" * 100_001},
    ],
)
async def test_arguments_that_make_no_sense_are_refused(hands: Hands, args: dict[str, object]) -> None:
    assert (await hands("bash", **args)).is_error


async def test_left_over_processes_and_protected_names_are_told(hands: Hands) -> None:
    assert "1 processes it left behind were killed" in text(
        await hands("bash", command="sleep 1000 & disown; : done")
    )
    assert "`.envrc` is protected" in text(await hands("bash", command="touch .envrc"))


async def test_a_background_job_is_listed_read_and_killed(hands: Hands) -> None:
    started = await hands(
        "bash",
        command="echo one; while [ ! -e go ]; do sleep 0.05; done; echo two; sleep 1000",
        background=True,
    )
    assert text(started).startswith("run 1 · background job1 · started")
    assert started.meta["command"]["background"] is True
    first = await hands("jobs", action="read", job="job1", wait=30)
    assert first.polling
    assert text(first).endswith("\none")
    await hands("bash", command="touch go")
    assert text(await hands("jobs", action="read", job="job1", wait=30)).endswith("\ntwo")
    assert text(await hands("jobs", action="read", job="job1")).endswith("(nothing new)")
    assert text(await hands("jobs", action="list")).startswith("job1 · running · ")
    assert "job1 · ended by signal 15" in text(await hands("jobs", action="kill", job="job1"))
    assert (await hands("jobs", action="read", job="job9")).is_error
