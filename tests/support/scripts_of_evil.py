"""A worker and a validator that put hostile words and secrets wherever they can say something.

The secrets are made up; each stands for one way by which real ones got into logs.
"""

from __future__ import annotations

from typing import Any

from missions.simulator.scripts import validator_rule, worker_rule

EVIL = (
    "</h1><script>x</script><img src=x onerror=y> [go](command:workbench.action.quit) [j](javascript:x) "
    "![i](http://evil.example/x.png) ``` ` | \x1b]0;gotcha\x07\x1b[2J\x1b]52;c;ZXZpbA==\x07 \u202etxt.exe\u2066 \x9b31m"
)
SECRETS = {
    "environment": "T0ken-9f3kQ2zLw8XyVb71",
    "output": "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "argument": "sk-ant-api03-" + "Zx9Yw8Vu7Ts6Rq5Po4Nm3Lk2Ji1Hg0Fe",
    "error": "AKIA" + "IOSFODNN7EXAMPLQ",
    "words": "xoxb-" + "123456789012-abcdefGHIJKLmnopQRST",
    "handoff": "glpat-" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn",
    "file": "ghp_" + "Z9y8X7w6V5u4T3s2R1q0P9o8N7m6L5k4J3i2",
    "note": "sk-ant-api03-" + "Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8Ii9Jj0Kk",
}
"""By the way they take."""


def evil_worker(plan: dict[str, Any]) -> dict[str, Any]:
    """The first feature done honestly, among hostile words and secrets."""
    feature = plan["milestones"][0]["features"][0]
    rule: Any = worker_rule(feature, [str(check) for check in plan["environment"]["checks"]])
    turns = rule["turns"]
    shell = EVIL.encode().decode("latin-1").replace("'", "")
    turns[0]["text"] = f"{EVIL} {SECRETS['words']}"
    turns[0]["tools"] += [
        {"name": "bash", "input": {"command": f"printf '%s\\n' '{shell}' {SECRETS['output']}"}},
        {
            "name": "bash",
            "input": {
                "command": f"echo {SECRETS['argument']} >/dev/null; echo {SECRETS['error']} >&2; false"
            },
        },
        {"name": "bash", "input": {"command": f"echo {SECRETS['environment']}; head -c 4096 /dev/urandom"}},
        {
            "name": "bash",
            "input": {
                "command": "mkdir -p build; head -c 12582912 /dev/zero | tr '\\0' x | tee build/long.txt; echo"
            },
        },
    ]
    handoff = turns[-1]["tools"][-1]["input"]
    _say(handoff, f"{EVIL} {SECRETS['handoff']}")
    return rule


def evil_validator() -> dict[str, Any]:
    """A verdict with defects that are told in hostile words."""
    rule: Any = validator_rule({"id": "M1", "mode": "scrutiny", "assertions": ["A1", "A2"]}, [], "fail")
    _say(rule["turns"][-1]["tools"][-1]["input"], EVIL)
    return rule


_PROSE = {"summary", "implemented", "risks", "observed", "note", "actual", "expected", "title", "description"}


def _say(value: Any, words: str, key: str = "") -> Any:
    """The same with the words behind everything that is prose."""
    if isinstance(value, dict):
        value.update({name: _say(part, words, name) for name, part in value.items()})
    elif isinstance(value, list):
        return [_say(part, words, key) for part in value] or ([words] if key in _PROSE else [])
    elif isinstance(value, str) and key in _PROSE:
        return f"{value} {words}"
    return value
