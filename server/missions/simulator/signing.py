"""Signatures of thinking and compaction blocks, checkable without memory.

A signature says which model issued the text and after which prefix, so that a simulator that was restarted in the
middle of a conversation still knows its own blocks. It proves nothing to anyone else.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Literal

Check = Literal["valid", "other-model", "altered", "other-prefix"]

_SALT = b"missions simulator, not a secret"


def sign(model: str, prefix: str, text: str) -> str:
    """The signature of a block this model says after this prefix."""
    payload = f"{model}\n{_mac(model, text)}\n{_mac(model, text, prefix)}"
    return base64.b64encode(payload.encode()).decode()


def check(signature: str, model: str, prefix: str | None, text: str) -> Check:
    """What is wrong with a block that came back; ``prefix`` None leaves the prefix out of it."""
    try:
        issuer, body, bound = base64.b64decode(signature, validate=True).decode().split("\n")
    except ValueError:
        return "altered"
    if body != _mac(issuer, text):
        return "altered"
    if issuer != model:
        return "other-model"
    if prefix is not None and bound != _mac(issuer, text, prefix):
        return "other-prefix"
    return "valid"


def _mac(*parts: str) -> str:
    return hashlib.sha256(_SALT + "\0".join(parts).encode()).hexdigest()[:32]
