"""The scripts behind make: what they say on a machine that lacks something, and what they count."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / ".ci"


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def shell() -> str:
    found = shutil.which("sh")
    assert found is not None
    return found


def fake_interpreter(folder: Path, name: str, version: str) -> None:
    program = folder / name
    program.write_text(
        f'#!{shell()}\n[ "$1" = --version ] && echo "Python {version}"\nexit 1\n', encoding="utf-8"
    )
    program.chmod(0o755)


def test_the_interpreter_found_can_make_environments() -> None:
    done = run(shell(), str(SCRIPTS / "python.sh"))
    assert done.returncode == 0, done.stderr
    check = run(done.stdout.strip(), "-c", "import sys, venv, ensurepip; print(sys.version_info >= (3, 11))")
    assert check.stdout == "True\n"


def test_an_old_python_is_passed_over_for_a_newer_one_with_a_version_in_its_name(tmp_path: Path) -> None:
    fake_interpreter(tmp_path, "python3", "3.9.2")
    (tmp_path / "python3.12").symlink_to(sys.executable)
    done = run(shell(), str(SCRIPTS / "python.sh"), PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "python3.12")


def test_a_machine_with_only_an_old_python_is_told_what_it_has_and_what_to_install(tmp_path: Path) -> None:
    fake_interpreter(tmp_path, "python3", "3.9.2")
    # The message is written by cat, so that is all this machine has besides.
    (tmp_path / "cat").symlink_to(shutil.which("cat") or "")
    done = run(shell(), str(SCRIPTS / "python.sh"), PATH=str(tmp_path))
    assert done.returncode == 2
    assert "Python 3.9.2" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_a_python_that_was_named_but_will_not_do_is_refused_instead_of_replaced(tmp_path: Path) -> None:
    fake_interpreter(tmp_path, "old", "3.8.0")
    done = run(shell(), str(SCRIPTS / "python.sh"), PYTHON=str(tmp_path / "old"))
    assert done.returncode == 2
    assert done.stdout == ""


def test_programs_that_are_there_are_not_installed_again() -> None:
    done = run(shell(), str(SCRIPTS / "machine.sh"), "sh", "cat=coreutils")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("suites", "line", "code"),
    [
        (['tests="5" failures="1" errors="1" skipped="2"', 'tests="3"'], "4 passed, 2 failed, 2 skipped", 0),
        ([], "0 passed, 0 failed, 0 skipped", 1),
    ],
)
def test_the_closing_line_sums_the_reports_and_refuses_an_empty_run(
    tmp_path: Path, suites: list[str], line: str, code: int
) -> None:
    for number, attributes in enumerate(suites):
        report = f"<testsuites><testsuite {attributes}/></testsuites>"
        (tmp_path / f"{number}.xml").write_text(report, encoding="utf-8")
    done = run(sys.executable, str(SCRIPTS / "closing_line.py"), str(tmp_path))
    assert (done.stdout.strip(), done.returncode) == (line, code)


def test_what_passed_only_in_its_second_run_is_told_apart_and_what_failed_twice_stays_failed(
    tmp_path: Path,
) -> None:
    reports = {
        "a.xml": 'tests="9" failures="2" errors="1"',
        "a.again.xml": 'tests="2" failures="1"',
        "b.xml": 'tests="1"',
    }
    for name, attributes in reports.items():
        (tmp_path / name).write_text(f"<testsuites><testsuite {attributes}/></testsuites>", encoding="utf-8")
    done = run(sys.executable, str(SCRIPTS / "closing_line.py"), str(tmp_path))
    assert done.stdout == "9 passed, 1 failed, 0 skipped; 1 of them passed only in a second run, alone\n"


def test_the_tests_to_run_a_second_time_are_those_that_failed_in_the_report_of_the_first(
    tmp_path: Path,
) -> None:
    tests = tmp_path / "test_some.py"
    tests.write_text(
        """import pytest
def test_good(): pass
@pytest.mark.parametrize("word", ["a b", "c"])
def test_bad(word): assert word == "c"
@pytest.fixture
def broken():
    yield
    raise OSError("at its end")
def test_end(broken): assert False
""",
        encoding="utf-8",
    )
    report = tmp_path / "report.xml"
    pytest_run = (
        sys.executable,
        "-m",
        "pytest",
        f"--rootdir={tmp_path}",
        "-o",
        "junit_family=xunit1",
        str(tests),
    )
    assert run(*pytest_run, f"--junit-xml={report}").returncode == 1
    done = run(sys.executable, str(SCRIPTS / "failed_tests.py"), str(report))
    assert done.stdout.splitlines() == ["test_some.py::test_bad[a b]", "test_some.py::test_end"]


def test_the_first_part_that_fails_ends_the_command_and_the_times_are_still_shown(tmp_path: Path) -> None:
    script = tmp_path / "parts"
    script.write_text(
        f"set -euo pipefail\n. '{SCRIPTS}/parts.sh'\npart first true\npart second false\npart third echo reached\n",
        encoding="utf-8",
    )
    done = run("bash", str(script))
    assert done.returncode == 1
    assert "reached" not in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()[-2:]] == ["first", "second"]
    going_on = run("bash", str(script), KEEP_GOING="1")
    assert going_on.returncode == 1
    assert "reached" in going_on.stdout
