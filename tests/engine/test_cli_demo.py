"""The demonstration: one command, no key, a whole mission on a real repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from support.desk import Desk


def test_the_demo_runs_a_whole_mission_and_its_summary_is_true(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    said = desk.missions(
        "demo", "--fast", "--json", "--keep", str(tmp_path / "tally"), MISSIONS_DEMO_PACE="9"
    )
    assert said.code == 0, said.err
    assert "simulated" in said.err
    summary = json.loads(said.out.splitlines()[-1])
    assert len(said.out.splitlines()) == 1
    assert (summary["status"], summary["simulated"]) == ("complete", True)
    log = subprocess.run(
        ["git", "-C", summary["repository"], "log", "--format=%H", summary["branch"]],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    features = {f["id"]: f for f in summary["features"]}
    assert len(features) >= 6
    assert all(f["status"] == "complete" and f["commit"] in log for f in features.values())
    repairs = [f for f in features.values() if f["origin"]["kind"] == "repair"]
    assert len(repairs) == 1
    failed = [r for r in summary["runs"] if r["status"] == "fail"]
    assert [r["id"] for r in failed] == [repairs[0]["origin"]["runId"]]
    passed = [r["item"] for r in summary["runs"] if r["status"] == "pass"]
    assert failed[0]["item"] in passed
    assert summary["usage"]["costMicroUsd"] > 0
    assert 0 < summary["usage"]["cacheShare"] < 1
    assert summary["time"]["workingMs"] > 0
    assert summary["time"]["validatingMs"] > 0

    row = desk.missions("list", "--json", cwd=tmp_path).json["missions"][0]
    assert (row["id"], row["demo"], row["status"]) == (summary["mission"], True, "complete")
    report = desk.missions("show", summary["mission"], "report").out
    assert "simulated model" in report


def test_a_folder_that_holds_something_is_never_used_for_the_demo(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    said = desk.missions("demo", "--fast", "--keep", str(desk.root))
    assert (said.code, "is not empty" in said.err) == (2, True)
    assert not desk.store.root.exists()
