"""The rules a plan is judged by: id, severity, what is wrong, how to mend it.

``missions validate --rules`` prints this list and the documentation is made from it. The judging itself is in the other
``lint_*`` modules; a rule that no code raises is a defect (a test looks).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

FindingSeverity = Literal["error", "warning", "info"]

MAX_PLAN_BYTES = 5_000_000
MAX_DEPTH = 32
MAX_MILESTONES = 50
MAX_FEATURES = 500
MAX_ASSERTIONS = 1000
MAX_ENTRIES = 1000
"""Entries of any list in a plan."""
MAX_FINDINGS = 1000


@dataclass(frozen=True)
class Rule:
    """One rule; ``fix`` is the sentence that says how to mend a finding."""

    id: str
    severity: FindingSeverity
    title: str
    fix: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


class Finding(BaseModel):
    """One thing wrong with a plan. ``path`` is a JSON pointer into the document; texts are safe to show."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    rule: str
    severity: FindingSeverity
    path: str
    message: str
    fix: str
    itemId: str | None = None

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


# fmt: off
RULES: tuple[Rule, ...] = (
    # The document
    Rule("not-json", "error", "The plan is not valid JSON", "Correct the JSON at the place named."),
    Rule("duplicate-key", "error", "A JSON object names a field twice", "Keep one of the two fields; a reader would silently take the last."),
    Rule("plan-not-object", "error", "The plan is not a JSON object", "Write the plan as one object with title, objective, milestones, validationContract and skills."),
    Rule("plan-too-large", "error", "The plan is too large", "Keep the plan below 5 MB; put long material into files of the repository and name them."),
    Rule("plan-too-deep", "error", "The plan is nested too deeply", "Use only the fields of the plan schema; none of them nests deeper than six levels."),
    Rule("too-many-entries", "error", "A list is too long", "Keep lists below 1000 entries."),
    Rule("missing-field", "error", "A required field is missing", "Add the field; `missions validate --schema` shows what it holds."),
    Rule("unknown-field", "error", "A field is not part of the plan", "Remove the field or correct its spelling."),
    Rule("wrong-type", "error", "A field has the wrong type", "Give the field a value of the type named."),
    Rule("wrong-value", "error", "A field has a value that is not allowed", "Use one of the values, or a number in the range, named."),
    Rule("top-level-features", "error", "Features stand at the top level of the plan", "Move each feature into `features` of its milestone; a plan has no other list of features."),
    Rule("state-in-plan", "error", "The plan carries run state", "Remove the field; whether work is done is decided by runs, never by a plan."),
    Rule("contract-as-list", "info", "The contract is a bare list", "Write it as {\"assertions\": [...]}; the list was read as that."),
    # Texts
    Rule("hostile-text", "error", "A text holds control, escape or direction characters", "Delete the invisible character; write what it should show as plain text."),
    Rule("invisible-text", "warning", "A text holds invisible characters", "Delete the zero-width character; it makes equal texts differ."),
    Rule("secret-text", "warning", "A text looks like a secret", "Take the secret out and name the environment variable that holds it; plans are sent to models and kept."),
    Rule("blank-text", "error", "A required text is blank", "Say in words what is meant; workers and validators see only what is written."),
    Rule("too-long", "error", "A text is too long", "Shorten the text; put long material into a file of the repository and name it."),
    Rule("multi-line-title", "error", "A title has several lines", "Keep the title to one line and move the rest into the description."),
    Rule("duplicate-title", "warning", "Two items have the same title", "Give each item a title that tells it apart."),
    Rule("placeholder-text", "warning", "A text is a placeholder", "Replace the placeholder by what is meant, or remove it."),
    Rule("thin-objective", "warning", "The objective says very little", "Say what shall be different afterwards, for whom, and how one would notice."),
    Rule("thin-feature", "warning", "A feature says very little", "Say what to build, where, and what must keep working; the worker has no other context."),
    Rule("large-feature", "warning", "A feature is too large for one run", "Split it into features that one worker can finish and commit in one go."),
    Rule("thin-milestone", "warning", "A milestone has neither objective nor validation", "Say in one or two sentences what the milestone reaches and how it is judged."),
    # Ids
    Rule("id-form", "error", "An id has the wrong form", "Use 1 to 40 letters, digits, dots, underscores or hyphens, starting with a letter or digit."),
    Rule("duplicate-id", "error", "Two items have the same id", "Give each milestone, feature and assertion an id of its own."),
    Rule("id-case-clash", "error", "Two ids differ only in upper and lower case", "Rename one of them; file systems and people confuse them."),
    # Size and shape of the work
    Rule("no-milestones", "error", "The plan has no milestone", "Add at least one milestone with one feature."),
    Rule("empty-milestone", "error", "A milestone has no feature", "Add a feature to the milestone or remove the milestone."),
    Rule("too-many-milestones", "error", "The plan has too many milestones", "Keep at most 50 milestones; plan the rest as a following mission."),
    Rule("too-many-features", "error", "The plan has too many features", "Keep at most 500 features; plan the rest as a following mission."),
    Rule("crowded-milestone", "warning", "A milestone has many features", "Split the milestone, so that a validation comes before much is built on a mistake."),
    Rule("unknown-dependency", "error", "A dependency names no feature", "Name the id of a feature of this plan, or remove the dependency."),
    Rule("self-dependency", "error", "A feature depends on itself", "Remove the feature's own id from its dependencies."),
    Rule("dependency-cycle", "error", "Features depend on each other in a circle", "Remove one dependency of the circle, or merge the features."),
    Rule("forward-dependency", "error", "A feature depends on a later milestone", "Move one of the two features; milestones are finished in order, so dependencies only point backwards."),
    Rule("late-dependency", "info", "A feature depends on one listed after it", "List the features in the order of work; the later one runs first."),
    Rule("duplicate-dependency", "warning", "A dependency is listed twice", "List each dependency once."),
    # Contract
    Rule("no-assertions", "error", "The validation contract is empty", "Write what must be true at the end, one assertion each, with the way to verify it."),
    Rule("too-many-assertions", "error", "The validation contract is too long", "Keep at most 1000 assertions; merge those that one check answers."),
    Rule("milestone-without-assertions", "error", "A milestone has nothing to be judged by", "Let the milestone or one of its features claim at least one assertion."),
    Rule("unclaimed-assertion", "error", "An assertion is claimed by nobody", "Add its id to `claims` of the feature or milestone that must make it true."),
    Rule("claimed-twice", "error", "An assertion is claimed more than once", "Leave the claim with the one feature or milestone that makes it true."),
    Rule("unknown-claim", "error", "A claim names no assertion", "Name the id of an assertion of the contract, or add the assertion."),
    Rule("blank-verification", "error", "An assertion cannot be verified", "Say how someone who never saw the code can check it: a command and what it shows, or steps and what is seen."),
    Rule("vague-verification", "warning", "The way to verify an assertion is vague", "Name the command to run or the steps to take, and the result that proves it."),
    Rule("duplicate-assertion", "warning", "Two assertions say the same", "Merge the two assertions."),
    Rule("many-claims", "warning", "A feature claims many assertions", "Split the feature or merge assertions that one check answers."),
    Rule("feature-without-claims", "info", "A feature claims no assertion", "Claim an assertion, or accept that only its milestone's other assertions judge it."),
    Rule("user-testing-unexplained", "error", "User testing is required but not explained", "Write `userTesting.instructions` or `skills.validatorUserTesting`: how to start the product and what to try."),
    Rule("user-testing-unused", "info", "User testing is described but not required", "Set `userTesting.required` to true, or remove the instructions."),
    # Budget, environment, models
    Rule("no-budget", "warning", "The mission has no budget", "Set `budget.usd`, `tokens`, `wallMinutes` or `runs`; reaching one pauses and asks."),
    Rule("budget-too-small", "warning", "The budget cannot cover the plan", "Allow at least one run per feature and per validation, or cut the plan."),
    Rule("no-checks", "warning", "No checks are named", "Name the commands that must pass in `environment.checks`; workers then have to run them."),
    Rule("check-masks-status", "error", "A check hides its own result", "Remove `|| true` and the like; a command that hides its status counts as no evidence, so the check could never pass."),
    Rule("check-never-ends", "warning", "A check may never end", "Use the form that runs once and ends, without watching or serving."),
    Rule("check-changes-things", "warning", "A check changes more than it checks", "Use a command that only looks; checks run often and without asking."),
    Rule("duplicate-check", "warning", "A check is listed twice", "List each check once."),
    Rule("network-any", "warning", "The network is wide open", "Name the hosts that are needed instead of `*`."),
    Rule("network-form", "error", "A network entry is not a host name", "Write a host name such as example.org or *.example.org, without scheme, port or path."),
    Rule("copy-path", "error", "A path to copy leaves the repository", "Name a path relative to the repository's root, without `..`, and not inside .git."),
    Rule("clone-only", "warning", "A setting has no effect in this workspace", "Set `environment.workspace` to \"clone\", or remove the setting."),
    Rule("model-blank", "error", "A model has no name", "Name the model, or leave the role out to use the default."),
    Rule("fallback-same", "warning", "A fallback is the model itself", "Name another model as fallback, or leave it out."),
    Rule("too-many-findings", "info", "Not all findings are shown", "Mend the findings shown and check again."),
    # Revisions of a plan that has begun
    Rule("revision-finished-feature", "error", "Finished work would change", "Leave the finished feature as it is and add a new feature for what shall change."),
    Rule("revision-running-feature", "error", "The running feature would change", "Wait until its run has ended, or cancel the run first."),
    Rule("revision-finished-milestone", "error", "A finished milestone would change", "Put the change into a milestone that is not finished yet."),
    Rule("revision-finished-assertion", "error", "An assertion that was already judged would change", "Leave the assertion as it is and add a new one."),
    Rule("revision-contract-weakened", "error", "The contract would become weaker", "Keep every assertion with its text, severity and claim; only the human may lower what is asked."),
    Rule("revision-assertion-postponed", "error", "A failed assertion would be judged later", "Leave the failed assertion with its milestone and add a feature that repairs it."),
    Rule("revision-not-allowed", "error", "The orchestrator may not change this", "Change only pending features and instructions; ask the human for everything else."),
    Rule("revision-frozen", "warning", "The change has no effect on a started mission", "Use the operation that changes it while the mission runs, or start a new mission."),
    Rule("revision-validator-instructions", "warning", "Instructions of the validators would change", "Look at the difference; instructions must not tell a validator what to find."),
    Rule("revision-unchanged", "info", "The revision changes nothing", "Nothing to do."),
    Rule("revision-operation", "error", "An operation of the revision does not fit the plan", "Look at the current plan and name items that are in it."),
)
# fmt: on

_BY_ID = {rule.id: rule for rule in RULES}
_ORDER = {rule.id: number for number, rule in enumerate(RULES)}
_WEIGHT: dict[str, int] = {"error": 0, "warning": 1, "info": 2}


def rule_named(rule_id: str) -> Rule:
    """The rule with this id; ``KeyError`` if there is none."""
    return _BY_ID[rule_id]


def finding(rule_id: str, path: str, message: str, item_id: str | None = None) -> Finding:
    """A finding of a known rule; severity and mending come from the rule."""
    rule = _BY_ID[rule_id]
    return Finding(
        rule=rule.id, severity=rule.severity, path=path, message=message, fix=rule.fix, itemId=item_id
    )


def ordered(findings: list[Finding]) -> list[Finding]:
    """Errors first, each group in the order of the rules, then as found; cut at ``MAX_FINDINGS``."""
    found = sorted(findings, key=lambda f: (_WEIGHT[f.severity], _ORDER[f.rule]))
    if len(found) <= MAX_FINDINGS:
        return found
    rest = len(found) - MAX_FINDINGS
    return [*found[:MAX_FINDINGS], finding("too-many-findings", "", f"{rest} more findings are not shown.")]


def errors_of(findings: list[Finding]) -> list[Finding]:
    """Only what refuses the plan."""
    return [f for f in findings if f.severity == "error"]


def pointer(*parts: str | int) -> str:
    """A JSON pointer: ``pointer("milestones", 0, "title")`` is ``/milestones/0/title``."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
