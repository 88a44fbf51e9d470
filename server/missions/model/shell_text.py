"""What the text of a shell command gives away without running it: hidden status, no end, side effects.

A cautious reading, good enough to warn and to refuse evidence. It never runs or changes a command, and it is no
protection: the sandbox is.
"""

from __future__ import annotations

import re

_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"")
_COMMENT = re.compile(r"(^|\s)#[^\n]*")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1[^\n]*\n.*?\n\s*\2[ \t]*(?=\n|$)", re.S)
_HARMLESS = r"(?:true|:|exit\s+0|echo\b[^;&|\n]*|printf\b[^;&|\n]*)"
_MASKS = (
    re.compile(rf"\|\|\s*{_HARMLESS}"),
    re.compile(rf"[;\n]\s*{_HARMLESS}\s*;?\s*$"),
    re.compile(r"set\s+\+o\s+pipefail"),
    re.compile(r"(?<![&>|])&\s*$"),
)
_ENDLESS = re.compile(
    r"(?:^|\s)--watch(?:All)?(?![\w-]|=false)|\btail\s+(?:\S+\s+)*-[a-zA-Z]*[fF]\b|(?:^|[\s:])(?:serve|runserver|watch)\b"
    r"|\b(?:npm|yarn|pnpm)\s+(?:run\s+)?(?:start|dev)\b|\bsleep\s+(?:infinity|\d{4,})"
)
_CHANGING = re.compile(
    r"\brm\s+-[a-zA-Z]*[rR]|\bsudo\b|\bgit\s+(?:\S+\s+)*?(?:push|commit|reset|clean|checkout|switch|stash|rebase|restore)\b"
    r"|\b(?:curl|wget)\b[^\n;&]*\|\s*(?:ba|z)?sh\b|\b(?:npm|cargo|twine|poetry)\s+(?:publish|upload)\b|\bmkfs|\bdd\s+if="
    r"|\bdocker\s+(?:push|system\s+prune)\b|\b(?:terraform|kubectl)\s+(?:apply|delete|destroy)\b"
)


def masks_status(command: str) -> bool:
    """Whether the shell text hides the status of what it runs (``|| true``, ``; true``, trailing ``echo``, ``&``).

    Commands run with ``pipefail``, so a plain pipe does not mask. Quoted parts, comments and here-documents are
    ignored; in doubt a trailing harmless command counts as masking.
    """
    text = _bare(command)
    return any(pattern.search(text) for pattern in _MASKS)


def may_never_end(command: str) -> bool:
    """Whether the command looks as if it watched, followed or served."""
    return _ENDLESS.search(_bare(command)) is not None


def changes_things(command: str) -> bool:
    """Whether the command looks as if it deleted, published, rewrote history or ran what it downloads."""
    return _CHANGING.search(_bare(command)) is not None


def _bare(command: str) -> str:
    text = _HEREDOC.sub(" ", command)
    text = _QUOTED.sub("Q", text)
    return _COMMENT.sub(r"\1", text).strip()
