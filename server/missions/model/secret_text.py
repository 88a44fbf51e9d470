"""What a secret looks like in a text that people and models write.

Used to warn before a plan with a key in it is saved and sent to a model. It never removes anything: redaction of
output belongs to the store.
"""

from __future__ import annotations

import re

_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----")),
    ("an API key", re.compile(r"\bsk-[A-Za-z0-9_-]{20,200}")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,200}|github_pat_[A-Za-z0-9_]{30,200})")),
    ("a GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{18,200}")),
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a Google API key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}")),
    ("a Slack token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,200}")),
    (
        "a signed token",
        re.compile(r"\beyJ[A-Za-z0-9_-]{10,500}\.eyJ[A-Za-z0-9_-]{10,500}\.[A-Za-z0-9_-]{10,}"),
    ),
    ("a password in an address", re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,80}:[^\s/:@$<{]{3,80}@")),
    (
        "a password",
        re.compile(
            r"(?i)\b(?:password|passwd|secret|token|api[_-]?key)['\"]?\s{0,3}[:=]\s{0,3}['\"]?"
            r"(?=[^\s'\"]{0,80}[0-9])(?=[^\s'\"]{0,80}[A-Za-z])[A-Za-z0-9+/_=.!@#%^&*-]{12,}"
        ),
    ),
)


def secret_in(text: str) -> str | None:
    """What kind of secret ``text`` seems to hold (``an API key``), or None. Never returns the secret itself."""
    return next((kind for kind, shape in _SHAPES if shape.search(text)), None)
