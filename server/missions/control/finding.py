"""What the doctor says: one finding, and all of them together. Values only; it looks at nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]


@dataclass
class Finding:
    """One thing that was found. ``mend`` repairs it without loss of anything; findings without one are for people."""

    id: str
    severity: Severity
    what: str
    next_step: str = ""
    mission: str | None = None
    mend: Callable[[], object] | None = None
    fixed: bool = False

    @property
    def fixable(self) -> bool:
        return self.mend is not None

    def as_json(self) -> dict[str, Any]:
        known = {
            "id": self.id,
            "severity": self.severity,
            "what": self.what,
            "nextStep": self.next_step,
            "fixable": self.fixable,
            "fixed": self.fixed,
        }
        return known if self.mission is None else {**known, "mission": self.mission}


@dataclass
class Diagnosis:
    """All findings, the machine's first."""

    findings: list[Finding] = field(default_factory=list[Finding])

    @property
    def healthy(self) -> bool:
        """Whether no error is left; warnings and infos are not illnesses."""
        return not any(f.severity == "error" and not f.fixed for f in self.findings)

    @property
    def exit_code(self) -> int:
        """0 if healthy, else 1."""
        return 0 if self.healthy else 1

    def as_json(self) -> dict[str, Any]:
        return {"healthy": self.healthy, "findings": [f.as_json() for f in self.findings]}
