"""Every rule of the plan: one plan that breaks it, and the place that the finding names."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from missions.model.errors import MissionError
from missions.model.lint import RULES, accepted_plan, errors_of, lint_plan, lint_plan_text
from support.plans import GOOD_PLAN, plan_json

Change = Callable[[dict[str, Any]], object]


def _feature(plan: dict[str, Any], milestone: int = 0, feature: int = 0) -> dict[str, Any]:
    return plan["milestones"][milestone]["features"][feature]


def _assertion(plan: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return plan["validationContract"]["assertions"][number]


def _many_features(plan: dict[str, Any], count: int) -> None:
    plan["milestones"][0]["features"] += [
        {**_feature(plan), "id": f"X{number}", "title": f"Part {number}", "claims": []}
        for number in range(count)
    ]


def _many_assertions(plan: dict[str, Any], count: int) -> None:
    names = [f"B{number}" for number in range(count)]
    plan["validationContract"]["assertions"] += [
        {**_assertion(plan), "id": name, "assertion": f"{name} holds."} for name in names
    ]
    _feature(plan)["claims"] += names


def _nested(depth: int) -> object:
    value: object = "bottom"
    for _ in range(depth):
        value = [value]
    return value


CASES: list[tuple[str, str, Change]] = [
    ("plan-too-deep", "/assumptions", lambda p: p.update(assumptions=_nested(40))),
    ("plan-too-large", "", lambda p: p.update(nonGoals=["x" * 60_000] * 100)),
    ("too-many-entries", "/nonGoals", lambda p: p.update(nonGoals=["Nothing else."] * 1001)),
    ("missing-field", "/skills/worker", lambda p: p["skills"].pop("worker")),
    ("unknown-field", "/milestones/0/features/0/descripton", lambda p: _feature(p).update(descripton="x")),
    ("wrong-type", "/environment/checks", lambda p: p["environment"].update(checks="make test")),
    ("wrong-type", "/milestones/0/title", lambda p: p["milestones"][0].update(title=7)),
    ("wrong-value", "/budget/usd", lambda p: p["budget"].update(usd=-1)),
    ("wrong-value", "/budget/wallMinutes", lambda p: p["budget"].update(wallMinutes=float("inf"))),
    (
        "wrong-value",
        "/validationContract/assertions/0/severity",
        lambda p: _assertion(p).update(severity="huge"),
    ),
    ("wrong-value", "/models/painter", lambda p: p.update(models={"painter": {"model": "m"}})),
    ("top-level-features", "/features", lambda p: p.update(features=[])),
    ("state-in-plan", "/milestones/0/features/0/status", lambda p: _feature(p).update(status="complete")),
    (
        "contract-as-list",
        "/validationContract",
        lambda p: p.update(validationContract=p["validationContract"]["assertions"]),
    ),
    ("hostile-text", "/title", lambda p: p.update(title="Red \x1b[31mtext")),
    ("hostile-text", "/objective", lambda p: p.update(objective=p["objective"] + "\u202egnol")),
    (
        "hostile-text",
        "/milestones/0/features/0/description",
        lambda p: _feature(p).update(description="a\x00b" * 20),
    ),
    ("hostile-text", "/title", lambda p: p.update(title="Half a pair \ud800")),
    ("invisible-text", "/title", lambda p: p.update(title="Zero\u200bwidth")),
    ("secret-text", "/skills/worker", lambda p: p["skills"].update(worker="Use sk-ant-api03-" + "a1B2" * 8)),
    ("blank-text", "/objective", lambda p: p.update(objective=" \n ")),
    (
        "blank-text",
        "/milestones/0/features/0/description",
        lambda p: _feature(p).update(description=""),
    ),
    ("blank-text", "/skills/validatorScrutiny", lambda p: p["skills"].update(validatorScrutiny=" ")),
    ("too-long", "/title", lambda p: p.update(title="x" * 201)),
    ("multi-line-title", "/milestones/1/title", lambda p: p["milestones"][1].update(title="One\ntwo")),
    (
        "duplicate-title",
        "/milestones/0/features/1/title",
        lambda p: _feature(p, 0, 1).update(title="parse  iso dates"),
    ),
    ("placeholder-text", "/assumptions/0", lambda p: p.update(assumptions=["TBD."])),
    ("thin-objective", "/objective", lambda p: p.update(objective="Better dates.")),
    (
        "thin-feature",
        "/milestones/0/features/0/description",
        lambda p: _feature(p).update(description="Do it."),
    ),
    (
        "large-feature",
        "/milestones/0/features/0/description",
        lambda p: _feature(p).update(description="And then more. " * 700),
    ),
    (
        "thin-milestone",
        "/milestones/0",
        lambda p: p["milestones"][0].update(objective="", validation=""),
    ),
    ("id-form", "/milestones/0/features/0/id", lambda p: _feature(p).update(id="../../etc")),
    ("id-form", "/milestones/0/id", lambda p: p["milestones"][0].update(id="")),
    ("duplicate-id", "/milestones/1/features/0/id", lambda p: _feature(p, 1).update(id="F1")),
    ("duplicate-id", "/validationContract/assertions/1/id", lambda p: _assertion(p, 1).update(id="A1")),
    ("id-case-clash", "/milestones/1/features/0/id", lambda p: _feature(p, 1).update(id="f1")),
    ("no-milestones", "/milestones", lambda p: p.update(milestones=[])),
    ("empty-milestone", "/milestones/1/features", lambda p: p["milestones"][1].update(features=[])),
    (
        "too-many-milestones",
        "/milestones",
        lambda p: p.update(milestones=[{**p["milestones"][0], "id": f"M{n}"} for n in range(51)]),
    ),
    ("too-many-features", "/milestones", lambda p: _many_features(p, 500)),
    ("crowded-milestone", "/milestones/0/features", lambda p: _many_features(p, 12)),
    (
        "unknown-dependency",
        "/milestones/0/features/1/dependencies/0",
        lambda p: _feature(p, 0, 1).update(dependencies=["F9"]),
    ),
    (
        "self-dependency",
        "/milestones/0/features/0/dependencies/0",
        lambda p: _feature(p).update(dependencies=["F1"]),
    ),
    (
        "dependency-cycle",
        "/milestones/0/features/0/dependencies",
        lambda p: _feature(p).update(dependencies=["F2"]),
    ),
    (
        "forward-dependency",
        "/milestones/0/features/0/dependencies/0",
        lambda p: _feature(p).update(dependencies=["F3"]),
    ),
    (
        "late-dependency",
        "/milestones/0/features/0/dependencies/0",
        lambda p: p["milestones"][0]["features"].reverse(),
    ),
    (
        "duplicate-dependency",
        "/milestones/0/features/1/dependencies/1",
        lambda p: _feature(p, 0, 1).update(dependencies=["F1", "F1"]),
    ),
    (
        "no-assertions",
        "/validationContract/assertions",
        lambda p: p["validationContract"].update(assertions=[]),
    ),
    ("too-many-assertions", "/validationContract", lambda p: _many_assertions(p, 997)),
    (
        "milestone-without-assertions",
        "/milestones/1",
        lambda p: (p["milestones"][1].update(claims=[]), _feature(p, 1).update(claims=[])),
    ),
    (
        "unclaimed-assertion",
        "/validationContract/assertions/1",
        lambda p: _feature(p, 0, 1).update(claims=[]),
    ),
    (
        "claimed-twice",
        "/milestones/1/features/0/claims/1",
        lambda p: _feature(p, 1)["claims"].append("A1"),
    ),
    (
        "claimed-twice",
        "/milestones/0/features/0/claims/1",
        lambda p: _feature(p)["claims"].append("A1"),
    ),
    (
        "unknown-claim",
        "/milestones/0/features/0/claims/1",
        lambda p: _feature(p)["claims"].append("A9"),
    ),
    (
        "blank-verification",
        "/validationContract/assertions/0/verification",
        lambda p: _assertion(p).update(verification=" "),
    ),
    (
        "vague-verification",
        "/validationContract/assertions/0/verification",
        lambda p: _assertion(p).update(verification="Look."),
    ),
    (
        "duplicate-assertion",
        "/validationContract/assertions/1/assertion",
        lambda p: _assertion(p, 1).update(assertion="iso dates are READ."),
    ),
    ("many-claims", "/milestones/0/features/0/claims", lambda p: _many_assertions(p, 12)),
    (
        "feature-without-claims",
        "/milestones/0/features/2/claims",
        lambda p: _many_features(p, 1),
    ),
    (
        "user-testing-unexplained",
        "/milestones/0/userTesting",
        lambda p: p["milestones"][0].update(userTesting=True),
    ),
    (
        "user-testing-unused",
        "/milestones/0/userTesting",
        lambda p: p["milestones"][0].update(userTesting={"instructions": "Start it and look."}),
    ),
    ("no-budget", "/budget", lambda p: p.pop("budget")),
    ("budget-too-small", "/budget/runs", lambda p: p.update(budget={"runs": 4})),
    ("no-checks", "/environment/checks", lambda p: p.pop("environment")),
    (
        "check-masks-status",
        "/environment/checks/0",
        lambda p: p.update(environment={"checks": ["make test || true"]}),
    ),
    (
        "check-never-ends",
        "/environment/checks/0",
        lambda p: p.update(environment={"checks": ["npm test -- --watch"]}),
    ),
    (
        "check-changes-things",
        "/environment/checks/0",
        lambda p: p.update(environment={"checks": ["rm -rf build && git push origin HEAD"]}),
    ),
    (
        "duplicate-check",
        "/environment/checks/1",
        lambda p: p.update(environment={"checks": ["make test", "make test"]}),
    ),
    ("network-any", "/environment/network/0", lambda p: p["environment"].update(network=["*"])),
    (
        "network-form",
        "/environment/network/0",
        lambda p: p["environment"].update(network=["https://example.org/x"]),
    ),
    (
        "copy-path",
        "/environment/copy/0",
        lambda p: p["environment"].update(workspace="clone", copy=["../.env"]),
    ),
    ("clone-only", "/environment/setup", lambda p: p["environment"].update(setup="make setup")),
    ("model-blank", "/models/worker/model", lambda p: p.update(models={"worker": {"model": " "}})),
    ("model-blank", "/models/worker/model", lambda p: p.update(models={"worker": {"model": ""}})),
    (
        "fallback-same",
        "/models/worker/fallback",
        lambda p: p.update(models={"worker": {"model": "m", "fallback": "m"}}),
    ),
]


@pytest.mark.parametrize(("rule", "path", "change"), CASES, ids=[f"{r}{p}" for r, p, _ in CASES])
def test_a_plan_that_breaks_a_rule_gets_that_finding_at_that_place(
    rule: str, path: str, change: Change
) -> None:
    plan = plan_json()
    change(plan)
    document, findings = lint_plan(plan)
    found = [f for f in findings if f.rule == rule and f.path == path]
    if rule == "plan-too-deep":
        found = [f for f in findings if f.rule == rule and f.path.startswith(path)]
    assert found, [(f.rule, f.path) for f in findings]
    assert found[0].message.endswith((".", "?"))
    assert found[0].fix
    assert document is not None or errors_of(findings)


def test_a_good_plan_has_no_finding() -> None:
    document, findings = lint_plan(GOOD_PLAN)
    assert findings == []
    assert document is not None
    assert [f.id for _, f in document.features()] == ["F1", "F2", "F3"]


def test_the_rules_are_many_and_each_says_how_to_mend() -> None:
    assert len(RULES) >= 25
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.fix.endswith((".", "].", "}.")), rule.id
        assert rule.as_json() == {
            "id": rule.id,
            "severity": rule.severity,
            "title": rule.title,
            "fix": rule.fix,
        }


def test_every_rule_of_a_document_has_a_test_here() -> None:
    elsewhere = {"not-json", "duplicate-key", "plan-not-object", "too-many-findings"}
    rules = {rule.id for rule in RULES if not rule.id.startswith("revision-")}
    assert rules - elsewhere == {rule for rule, _, _ in CASES}


@pytest.mark.parametrize("raw", [None, [], "plan", 7, True])
def test_something_that_is_no_object_is_no_plan(raw: object) -> None:
    document, findings = lint_plan(raw)
    assert document is None
    assert [f.rule for f in findings] == ["plan-not-object"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"title": ', "not-json"),
        (b"\xff\xfe{}", "not-json"),
        ('{"title": ' + "9" * 5000 + "}", "not-json"),
        ("[" * 100_000, "plan-too-deep"),
        (" " * 5_000_001, "plan-too-large"),
        ('{"title": "one", "title": "two"}', "duplicate-key"),
    ],
)
def test_a_file_that_is_no_clean_json_gets_a_finding(text: str | bytes, rule: str) -> None:
    _, findings = lint_plan_text(text)
    assert rule in {f.rule for f in findings}


def test_broken_json_is_located_by_line_and_column() -> None:
    _, findings = lint_plan_text('{\n  "title": oops\n}')
    assert "line 2, column 12" in findings[0].message


def test_the_text_of_a_good_plan_gives_the_same_document_as_its_value() -> None:
    from_text, findings = lint_plan_text("\ufeff".encode() + json.dumps(GOOD_PLAN).encode())
    assert findings == []
    assert from_text == lint_plan(GOOD_PLAN)[0]


def test_all_problems_are_listed_at_once_errors_first() -> None:
    plan = plan_json(budget={})
    _feature(plan)["dependencies"] = ["F8", "F9"]
    _feature(plan, 1)["claims"] = ["A3", "A1"]
    _, findings = lint_plan(plan)
    assert [f.rule for f in findings] == [
        "unknown-dependency",
        "unknown-dependency",
        "claimed-twice",
        "no-budget",
    ]
    assert findings[0].itemId == "F1"


def test_every_circle_of_dependencies_is_named_once() -> None:
    plan = plan_json()
    _many_features(plan, 3)
    features = plan["milestones"][0]["features"]
    for feature, needed in zip(features, (["F2"], ["F1"], ["X1"], ["X2"], ["X0"]), strict=True):
        feature["dependencies"] = needed
    _, findings = lint_plan(plan)
    circles = [f.message for f in findings if f.rule == "dependency-cycle"]
    assert [message.split(": ")[1] for message in circles] == ["F1 → F2 → F1.", "X0 → X1 → X2 → X0."]


def test_a_dependency_on_a_milestone_is_explained() -> None:
    plan = plan_json()
    _feature(plan, 1)["dependencies"] = ["M1"]
    _, findings = lint_plan(plan)
    assert "a milestone, not a feature" in findings[0].message


def test_an_unknown_field_suggests_the_field_that_was_meant() -> None:
    plan = plan_json()
    _feature(plan)["dependancies"] = []
    _, findings = lint_plan(plan)
    assert "Is `dependencies` meant?" in findings[0].message


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "~/.ssh/id",
        "a/../../b",
        "C:\\x",
        "..\\x",
        "\\\\host\\x",
        ".git/config",
        "x/.GIT/y",
        ".",
        "",
    ],
)
def test_no_path_outside_the_repository_can_be_copied(path: str) -> None:
    plan = plan_json(environment={"workspace": "clone", "copy": [path], "checks": ["make test"]})
    _, findings = lint_plan(plan)
    assert "copy-path" in {f.rule for f in findings}


@pytest.mark.parametrize("path", [".env", "config/local.yml", "a..b", ".github/x", "data/"])
def test_paths_inside_the_repository_can_be_copied(path: str) -> None:
    plan = plan_json(environment={"workspace": "clone", "copy": [path], "checks": ["make test"]})
    assert lint_plan(plan)[1] == []


@pytest.mark.parametrize(
    "host", ["example.org", "*.example.org", "localhost", "10.0.0.1", "::1", "xn--bcher-kva.example"]
)
def test_host_names_are_accepted(host: str) -> None:
    plan = plan_json(environment={"network": [host], "checks": ["make test"]})
    assert lint_plan(plan)[1] == []


@pytest.mark.parametrize(
    "host", ["", "example.org:443", "user@example.org", "a b", "-x.org", "**", "http://x"]
)
def test_what_is_no_host_name_is_refused(host: str) -> None:
    plan = plan_json(environment={"network": [host], "checks": ["make test"]})
    assert "network-form" in {f.rule for f in lint_plan(plan)[1]}


@pytest.mark.parametrize(
    "check",
    [
        "pytest -q",
        "make test | tee out.txt",
        "npm test",
        "cargo test --all",
        "git status --short",
        "npm run watchless",
    ],
)
def test_ordinary_checks_are_not_suspected(check: str) -> None:
    assert lint_plan(plan_json(environment={"checks": [check]}))[1] == []


@pytest.mark.parametrize(
    "text",
    [
        "password = hunter2hunter2",
        "https://user:pass1234@example.org/x",
        "-----BEGIN RSA PRIVATE KEY-----",
        "ghp_" + "a1" * 18,
        "AKIA" + "A1" * 8,
    ],
)
def test_texts_that_look_like_secrets_are_warned_about_without_repeating_them(text: str) -> None:
    _, findings = lint_plan(plan_json(assumptions=[f"Note: {text} is used."]))
    assert [(f.rule, f.path) for f in findings] == [("secret-text", "/assumptions/0")]
    assert text not in findings[0].message


def test_talk_about_secrets_is_no_secret() -> None:
    texts = ["The token: read it from the environment.", "password: see the vault", "API_KEY=$API_KEY"]
    assert lint_plan(plan_json(assumptions=texts))[1] == []


def test_findings_never_carry_hostile_characters() -> None:
    plan = plan_json()
    _feature(plan)["id"] = "\x1b]8;;evil\x07F1\u202e"
    plan["\x1b[31mred"] = 1
    _, findings = lint_plan(plan)
    shown = json.dumps([f.as_json() for f in findings], ensure_ascii=False)
    assert "\x1b" not in shown
    assert "\\u001b" not in shown
    assert "\u202e" not in shown


def test_languages_and_emoji_are_welcome() -> None:
    plan = plan_json(title="Größere Datümer 👩‍👧 für 日本 و فارسی‌زبان")
    assert lint_plan(plan)[1] == []


def test_findings_are_cut_when_there_are_very_many() -> None:
    plan = plan_json(nonGoals=["\x07"] * 900, assumptions=["\x07"] * 900)
    _, findings = lint_plan(plan)
    assert len(findings) == 1001
    assert findings[-1].rule == "too-many-findings"


def test_a_plan_with_an_error_is_refused_as_a_whole_with_every_finding() -> None:
    plan = plan_json(budget={})
    _feature(plan)["dependencies"] = ["F8"]
    _feature(plan, 0, 1)["dependencies"] = ["F9"]
    with pytest.raises(MissionError) as caught:
        accepted_plan(plan)
    assert caught.value.code == "plan_invalid"
    assert [f["rule"] for f in caught.value.data["findings"]] == [
        "unknown-dependency",
        "unknown-dependency",
        "no-budget",
    ]
    assert "1 more" in caught.value.message


def test_a_plan_with_warnings_only_is_accepted_and_carries_them() -> None:
    document, findings = accepted_plan(plan_json(budget={}))
    assert document.title == GOOD_PLAN["title"]
    assert [f.rule for f in findings] == ["no-budget"]


def test_the_schema_field_for_editors_is_ignored() -> None:
    plan = {"$schema": "./plan.schema.json", **plan_json()}
    document, findings = lint_plan(plan)
    assert findings == []
    assert document is not None
    assert document.as_bytes() == accepted_plan(GOOD_PLAN)[0].as_bytes()
