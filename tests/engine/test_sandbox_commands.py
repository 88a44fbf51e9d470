"""Commands in a sandbox of either kind: what is shared, what ends them, and that nothing survives."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import missions
from missions.agent.sandbox.identity import ProcessIdentity, end_survivors
from missions.agent.sandbox.policy import Limits, Policy
from missions.agent.sandbox.probe import Mode, choose
from missions.agent.sandbox.session import Sandbox
from missions.model.errors import MissionError
from support.outside import make_repository
from support.runs import Run
from support.waiting import until, until_async

KINDS: list[Mode] = ["required", "none"]
both = pytest.mark.parametrize("mode", KINDS, ids=["bwrap", "none"])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@both
async def test_a_command_runs_in_the_repository_and_the_directory_is_kept_but_variables_are_not(
    run: Run, mode: Mode
) -> None:
    async with await Sandbox.start(run.policy(), mode) as sandbox:
        first = await sandbox.run("pwd; mkdir -p 'a dir'; cd 'a dir'; export KEPT=1; exit 3")
        second = await sandbox.run('pwd; echo "[$KEPT]"')
    assert (first.ending, first.code, first.output) == ("exit", 3, f"{run.workspace}\n".encode())
    assert second.output == f"{run.workspace}/a dir\n[]\n".encode()


@both
async def test_a_directory_that_is_gone_is_left_for_the_repository(run: Run, mode: Mode) -> None:
    async with await Sandbox.start(run.policy(), mode) as sandbox:
        await sandbox.run("mkdir gone; cd gone; rmdir ../gone")
        assert (await sandbox.run("pwd")).output == f"{run.workspace}\n".encode()


@both
async def test_a_failing_part_of_a_pipe_fails_the_command_and_stdin_is_empty(run: Run, mode: Mode) -> None:
    async with await Sandbox.start(run.policy(), mode) as sandbox:
        assert (await sandbox.run("false | cat")).code == 1
        assert (await sandbox.run("cat; echo end")).output == b"end\n"
        assert (await sandbox.run("kill -SEGV $$")).ending == "signal"
        assert (await sandbox.run("if")).code == 2


@both
async def test_a_server_started_by_one_call_answers_the_next(run: Run, mode: Mode) -> None:
    async with await Sandbox.start(run.policy(), mode) as sandbox:
        program = "import http.server as h, pathlib; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler);"
        program += "pathlib.Path('port').write_text(str(s.server_port)); s.serve_forever()"
        job = await sandbox.start_job(f'python3 -c "{program}" {run.mark}')
        port = run.workspace / "port"
        await until_async(lambda: port.exists() and port.read_text())
        asked = await sandbox.run(
            f"curl -s http://127.0.0.1:{port.read_text()}/README.md; echo x > /tmp/shared"
        )
        assert asked.output == b"hello\n"
        assert (await sandbox.run("cat /tmp/shared")).output == b"x\n"
        assert not job.ended.is_set()
        await sandbox.kill_job(job)
        assert job.ended.is_set()
    assert run.survivors() == []


HOSTILE = {
    "a child in the background": "sleep 1000 {mark} & disown",
    "a new session": "setsid sleep 1000 {mark} < /dev/null > /dev/null 2>&1 &",
    "nohup": "nohup sleep 1000 {mark} > /dev/null 2>&1 &",
    "a double fork that holds the pipe": "(setsid bash -c '(exec -a {mark} sleep 1000 &)' &)",
    "a daemon that ignores TERM and clears its environment": (
        'env -i setsid bash -c \'trap "" TERM HUP INT; exec -a {mark} bash -c "trap \\"\\" TERM HUP; while :; do sleep 1; done" {mark}\' &'
    ),
    "a tree that forks again when killed": 'bash -c \'trap "" TERM; for i in 1 2 3; do (setsid bash -c "sleep 1000; : {mark}" &) ; done; sleep 0.05\' &',
}


@both
@pytest.mark.parametrize("name", HOSTILE)
async def test_nothing_a_command_starts_outlives_it(run: Run, mode: Mode, name: str) -> None:
    async with await Sandbox.start(run.policy(), mode) as sandbox:
        command = (
            HOSTILE[name]
            .replace("{mark}", run.mark)
            .replace(f"sleep 1000 {run.mark}", f"bash -c 'sleep 1000; : {run.mark}'")
        )
        result = await sandbox.run(
            f"{command}\nsleep 0.2; grep -las {run.mark} /proc/[0-9]*/cmdline | wc -l", timeout=20
        )
        assert int(result.output.split()[-1]) >= 2, "the shell itself and at least one that it started"
        assert run.survivors() == []
        assert (await sandbox.run("echo still here")).output == b"still here\n"


@both
async def test_a_command_that_ignores_term_is_killed_at_its_time_limit(run: Run, mode: Mode) -> None:
    async with await Sandbox.start(run.policy(), mode) as sandbox:
        result = await sandbox.run(
            f"trap '' TERM; echo begun; (setsid bash -c 'trap \"\" TERM; sleep 1000; : {run.mark}' &); sleep 1000; : {run.mark}",
            timeout=0.5,
        )
    assert result.ending == "timeout"
    assert result.output == b"begun\n"
    assert run.survivors() == []


@both
async def test_a_silent_command_is_ended_and_one_that_prints_is_not(run: Run, mode: Mode) -> None:
    async with await Sandbox.start(run.policy(limits=Limits(silence=1.0, disk_floor=0)), mode) as sandbox:
        silent = await sandbox.run("echo begun; sleep 1000", timeout=60)
        talking = await sandbox.run("for i in 1 2 3 4 5 6 7; do echo $i; sleep 0.2; done", timeout=60)
    assert (silent.ending, silent.output) == ("silence", b"begun\n")
    assert talking.ending == "exit"


@both
async def test_a_cancelled_command_ends_with_all_it_started(run: Run, mode: Mode) -> None:
    cancelled = asyncio.Event()
    async with await Sandbox.start(run.policy(), mode) as sandbox:
        running = asyncio.create_task(
            sandbox.run(
                f"trap '' TERM; bash -c 'sleep 1000; : {run.mark}' & echo begun; wait",
                cancelled=cancelled,
                listener=lambda _: cancelled.set(),
            )
        )
        result = await asyncio.wait_for(running, 20)
    assert result.ending == "cancelled"
    assert run.survivors() == []


async def test_cancelling_the_task_of_a_command_ends_it(run: Run) -> None:
    begun = asyncio.Event()
    async with await Sandbox.start(run.policy(), "required") as sandbox:
        task = asyncio.create_task(
            sandbox.run(f"echo; sleep 1000; : {run.mark}", listener=lambda _piece: begun.set())
        )
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until_async(lambda: run.survivors() == [])
        assert (await sandbox.run("echo on")).output == b"on\n"


@both
async def test_a_memory_hog_is_ended_and_named(run: Run, mode: Mode) -> None:
    async with await Sandbox.start(
        run.policy(limits=Limits(memory=200 << 20, disk_floor=0)), mode
    ) as sandbox:
        result = await sandbox.run(
            "python3 -c \"import time; b = bytearray(b'x') * (600 << 20); time.sleep(60)\"", timeout=60
        )
        assert (result.ending, result.code) == ("memory", None)
        assert (await sandbox.run("echo fine")).code == 0


@both
async def test_a_fork_bomb_is_contained_and_leaves_nothing(run: Run, mode: Mode) -> None:
    async with await Sandbox.start(run.policy(limits=Limits(processes=60, disk_floor=0)), mode) as sandbox:
        bomb = f"bomb() {{ : {run.mark}; sleep 0.05; bomb & bomb & sleep 1000; }}; export -f bomb; bash -c 'bomb; : {run.mark}'"
        result = await sandbox.run(bomb, timeout=60)
        assert result.ending == "processes"
        assert run.survivors() == []
        assert (await sandbox.run("echo fine")).code == 0


@both
async def test_a_file_has_a_largest_size(run: Run, mode: Mode) -> None:
    async with await Sandbox.start(run.policy(limits=Limits(file=1 << 20, disk_floor=0)), mode) as sandbox:
        result = await sandbox.run("head -c 5000000 /dev/zero > big")
    assert result.code != 0
    assert (run.workspace / "big").stat().st_size == 1 << 20


async def test_a_disk_filler_is_ended_below_the_floor(run: Run) -> None:
    space = os.statvfs(run.workspace)
    floor = space.f_bavail * space.f_frsize + (1 << 40)
    async with await Sandbox.start(run.policy(limits=Limits(disk_floor=floor)), "required") as sandbox:
        assert (await sandbox.run("sleep 1000", timeout=60)).ending == "disk"


async def test_the_temporary_folder_is_private_and_has_a_size(run: Run) -> None:
    async with await Sandbox.start(
        run.policy(limits=Limits(tmp=1 << 20, disk_floor=0)), "required"
    ) as sandbox:
        with tempfile.NamedTemporaryFile() as hosts:
            result = await sandbox.run(f"ls {hosts.name}; head -c 5000000 /dev/zero > /tmp/big")
    assert result.code != 0
    assert b"No such file" in result.output
    assert b"No space left" in result.output


@both
async def test_a_flood_of_output_is_kept_at_both_ends_and_ended_on_time(run: Run, mode: Mode) -> None:
    async with await Sandbox.start(run.policy(limits=Limits(output=1 << 20, disk_floor=0)), mode) as sandbox:
        result = await sandbox.run("echo first; yes flood", timeout=1.0)
        whole = await sandbox.run(
            "echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last", timeout=30
        )
    assert result.ending == "timeout"
    assert len(result.output) < 2 << 20
    assert result.total > len(result.output)
    assert whole.output.startswith(b"first\n")
    assert whole.output.endswith(b"\nlast\n")
    assert b"bytes were not kept" in whole.output


@both
async def test_background_jobs_end_with_the_sandbox(run: Run, mode: Mode) -> None:
    sandbox = await Sandbox.start(run.policy(), mode)
    daemon = await sandbox.start_job(
        f"(setsid bash -c 'trap \"\" TERM; sleep 1000; : {run.mark}' &) ; echo main ended"
    )
    await until_async(lambda: daemon.main_ended)
    await sandbox.run("true")
    assert run.survivors(), "what a background job leaves goes on"
    assert not daemon.ended.is_set()
    await sandbox.close()
    assert run.survivors() == []
    with pytest.raises(MissionError, match="has ended"):
        await sandbox.run("true")


_RUNNER = """
import asyncio, json, sys
from pathlib import Path
from missions.agent.sandbox.policy import Policy
from missions.agent.sandbox.session import Sandbox

async def main():
    workspace, home, mode, mark = sys.argv[1:]
    sandbox = await Sandbox.start(Policy(Path(workspace), home=Path(home), env={"PATH": "/usr/bin:/bin"}), mode)
    await sandbox.start_job(f"(setsid bash -c 'trap \\"\\" TERM; echo ready > ready; sleep 1000; : {mark}' &); sleep 1000; : {mark}")
    print(json.dumps(sandbox.identity.as_json()), flush=True)
    await sandbox.run(f"trap '' TERM; sleep 1000; : {mark}", timeout=500)

asyncio.run(main())
"""


def _start_runner(
    run: Run, mode: Mode, interpreter: list[str]
) -> tuple[subprocess.Popen[bytes], ProcessIdentity]:
    source = str(Path(missions.__file__).parent.parent)
    runner = subprocess.Popen(
        [*interpreter, "-c", _RUNNER, str(run.workspace), str(run.home), mode, run.mark],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": source, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
    )
    assert runner.stdout is not None
    identity = ProcessIdentity(**json.loads(runner.stdout.readline()))
    runner.stdout.close()
    until((run.workspace / "ready").exists)
    return runner, identity


@both
def test_no_process_survives_a_killed_runner(run: Run, mode: Mode) -> None:
    runner, _ = _start_runner(run, mode, [sys.executable])
    assert run.survivors()
    runner.kill()
    runner.wait()
    until(lambda: run.survivors() == [])


def test_survivors_of_a_killed_runner_and_supervisor_are_ended_by_their_record(run: Run) -> None:
    runner, identity = _start_runner(run, "none", [sys.executable])
    os.kill(identity.pid, signal.SIGSTOP)  # a supervisor that hangs cannot clean up
    runner.kill()
    runner.wait()
    assert run.survivors()
    assert (
        end_survivors(ProcessIdentity(identity.pid, identity.startTicks, "another boot", identity.mark)) == 0
    )
    assert end_survivors(identity) >= 2
    until(lambda: run.survivors() == [])


def test_a_recycled_pid_is_not_killed() -> None:
    other = subprocess.Popen(["sleep", "1000"])
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert end_survivors(ProcessIdentity(other.pid, 1, boot, "no such mark")) == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@both
def test_it_works_for_a_user_without_rights(tmp_path: Path, mode: Mode) -> None:
    interpreter = Path("/usr/bin/python3")
    if (
        not interpreter.exists()
        or subprocess.run(
            [interpreter, "-c", "import sys; assert sys.version_info >= (3, 11)"], check=False
        ).returncode
    ):
        pytest.skip("needs a system interpreter that other users can run")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    run = Run(tmp_path / "theirs")
    subprocess.run(["chown", "-R", "65534:65534", str(tmp_path)], check=True)
    become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", str(interpreter)]
    runner, _ = _start_runner(run, mode, become)
    assert run.survivors()
    runner.kill()
    runner.wait()
    until(lambda: run.survivors() == [])


def test_without_a_sandbox_a_run_is_refused_and_never_started_bare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for mode in ("auto", "required"):
        with pytest.raises(MissionError) as refused:
            choose(mode)
        assert refused.value.code == "sandbox_unavailable"
        assert "bubblewrap" in refused.value.message
    assert choose("none").kind == "none"


def test_a_helper_that_cannot_make_namespaces_is_refused_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "bwrap"
    helper.write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissionError, match="No permissions to create new namespace"):
        choose("auto")


@both
async def test_a_sandbox_of_another_thread_works_for_as_long_as_that_thread(run: Run, mode: Mode) -> None:
    def work() -> bytes:
        return asyncio.run(_said(run.policy(), mode))

    assert await asyncio.to_thread(work) == b"alive"


async def _said(policy: Policy, mode: Mode) -> bytes:
    async with await Sandbox.start(policy, mode) as sandbox:
        return (await sandbox.run("sleep 0.2; printf alive")).output


def test_a_workspace_that_contains_the_home_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissionError, match="home directory"):
        Policy(tmp_path, home=tmp_path / "home")


def call(*words: str, cwd: Path) -> None:
    """Run a program of the test's own to its end."""
    subprocess.run(words, cwd=cwd, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}, check=True)


def serve_files(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A web server of the host and its port."""
    code = "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler); print(s.server_port); s.serve_forever()"
    server = subprocess.Popen(
        [sys.executable, "-u", "-c", code], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert server.stdout is not None
    with server.stdout:
        return server, int(server.stdout.readline())


async def test_a_worktree_commits_and_cannot_touch_the_main_config_or_other_worktrees(run: Run) -> None:
    for name in ("one", "two"):
        call("git", "worktree", "add", "-q", str(run.folder / name), cwd=run.workspace)
    common = run.workspace / ".git"
    policy = run.policy(workspace=run.folder / "one", git_dir=common / "worktrees" / "one", common_dir=common)
    async with await Sandbox.start(policy, "required") as sandbox:
        result = await sandbox.run(
            "echo x > f && git add f && git commit -qm second && git log --format=%an -1"
        )
        assert (result.code, result.output) == (0, b"Worker\n")
        for attempt in (
            "git config a.b c",
            f"echo x > {common}/worktrees/two/HEAD",
            "echo gitdir: /tmp > .git",
            f"ls {run.workspace}/README.md",
        ):
            assert (await sandbox.run(attempt)).code != 0, attempt


async def test_a_repository_without_hooks_and_with_a_linked_hooks_folder_still_runs(run: Run) -> None:
    hooks = run.workspace / ".git" / "hooks"
    call("rm", "-rf", str(hooks), ".git/info", cwd=run.workspace)
    (run.folder / "shared-hooks").mkdir()
    hooks.symlink_to(run.folder / "shared-hooks")
    async with await Sandbox.start(run.policy(), "required") as sandbox:
        result = await sandbox.run(
            "rm .git/hooks && mkdir .git/hooks && echo evil > .git/hooks/pre-commit && git status --short"
        )
    assert result.code == 0
    assert any("hooks" in sentence for sentence in result.protected)
    assert hooks.readlink() == run.folder / "shared-hooks"


async def test_a_protected_name_that_appears_is_kept_aside_and_reported(run: Run) -> None:
    async with await Sandbox.start(run.policy(), "required") as sandbox:
        result = await sandbox.run("mkdir .vscode && echo evil > .vscode/tasks.json")
    assert result.protected == ("`.vscode` is protected: the change was undone.",)
    assert not (run.workspace / ".vscode").exists()
    assert [path.read_text() for path in (run.run_dir / "aside").rglob("tasks.json")] == ["evil\n"]


async def test_a_read_only_workspace_cannot_be_changed_but_evidence_can_be_kept(run: Run) -> None:
    async with await Sandbox.start(run.policy(workspace_mode="ro"), "required") as sandbox:
        assert (await sandbox.run("echo x > README.md")).code != 0
        assert (await sandbox.run(f"git log -1 --format=%s > {run.run_dir}/evidence/log")).code == 0
    assert (run.run_dir / "evidence" / "log").read_text() == "first\n"


async def test_what_the_user_allows_is_there(run: Run) -> None:
    for name in ("readable", "writable"):
        (run.home / name).mkdir()
        (run.home / name / "f").write_text(name)
    policy = run.policy(extra_ro=(run.home / "readable",), extra_rw=(run.home / "writable",))
    async with await Sandbox.start(policy, "required") as sandbox:
        result = await sandbox.run(
            'cd ~ && cat readable/f writable/f && echo new > writable/g; echo new > readable/g; echo "$HOME"'
        )
    assert b"readablewritable" in result.output
    assert (run.home / "writable" / "g").exists()
    assert not (run.home / "readable" / "g").exists()


async def test_a_tool_of_a_version_manager_in_the_home_directory_works_and_its_neighbours_are_hidden(
    run: Run,
) -> None:
    tool = run.home / ".nvm" / "versions" / "node" / "v1" / "bin"
    (tool.parent / "lib").mkdir(parents=True)
    tool.mkdir()
    (tool.parent / "lib" / "answer").write_text("42\n")
    (tool / "mytool").write_text('#!/bin/sh\ncat "$(dirname "$0")/../lib/answer"\n')
    (tool / "mytool").chmod(0o755)
    (run.home / ".npmrc").write_text("token")
    env = {**run.policy().env, "PATH": f"{tool}:/usr/bin:/bin"}
    async with await Sandbox.start(run.policy(env=env), "required") as sandbox:
        result = await sandbox.run("mytool; ls -A ~; cat ~/.npmrc")
    assert result.output.startswith(b"42\n")
    assert b"token" not in result.output


async def test_only_listed_hosts_are_reached_and_private_addresses_only_when_named(
    run: Run, tmp_path: Path
) -> None:
    site = make_repository(tmp_path / "site")
    server, port = serve_files(site)
    try:
        policy = run.policy(network=(f"127.0.0.1:{port}", "localhost", "*.example.org"))
        async with await Sandbox.start(policy, "required") as sandbox:
            ask = "env -u no_proxy -u NO_PROXY curl -sS"
            assert (await sandbox.run(f"{ask} http://127.0.0.1:{port}/README.md")).output == b"hello\n"
            assert (await sandbox.run(f"{ask} -p http://127.0.0.1:{port}/README.md")).output == b"hello\n"
            for address in (
                f"http://127.0.0.1:{port + 1}/",
                "http://localhost/",
                "http://example.org/",
                "http://169.254.169.254/",
            ):
                refused = await sandbox.run(f"{ask} -o /dev/null -w '%{{http_code}}' {address}")
                assert refused.output == b"403", address
            assert (await sandbox.run(f"curl -sS --noproxy '*' http://127.0.0.1:{port}/README.md")).code != 0
    finally:
        server.kill()
        server.wait()
