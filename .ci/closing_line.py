"""The last line of a test run: the sums of the JUnit reports below the folder given.

``X.again.xml`` is the second run of all that failed in ``X.xml``, and decides about it. Fails when there is no report or no
test ran, so that an empty run is never taken for a good one; judges nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

_AGAIN = ".again.xml"


def counted(report: Path) -> tuple[int, int, int]:
    """How many tests there were, failed and were skipped."""
    total = failed = skipped = 0
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        total += int(suite.get("tests", "0"))
        failed += int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
        skipped += int(suite.get("skipped", "0"))
    return total, failed, skipped


def main() -> int:
    total = failed = skipped = unsteady = 0
    for report in sorted(Path(sys.argv[1]).glob("*.xml")):
        if report.name.endswith(_AGAIN):
            continue
        tests, wrong, left_out = counted(report)
        second = report.with_name(report.stem + _AGAIN)
        if second.exists():
            repeated, wrong, _ = counted(second)
            unsteady += repeated - wrong
        total, failed, skipped = total + tests, failed + wrong, skipped + left_out
    line = f"{max(total - failed - skipped, 0)} passed, {failed} failed, {skipped} skipped"
    print(line + (f"; {unsteady} of them passed only in a second run, alone" if unsteady else ""))
    return 0 if total else 1


if __name__ == "__main__":
    sys.exit(main())
