"""The last line of a test run: the sums of the JUnit reports below the folder given.

Fails when there is no report or no test ran, so that an empty run is never taken for a good one; judges nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def main() -> int:
    total = failed = skipped = 0
    for report in sorted(Path(sys.argv[1]).glob("*.xml")):
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            total += int(suite.get("tests", "0"))
            failed += int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
            skipped += int(suite.get("skipped", "0"))
    print(f"{max(total - failed - skipped, 0)} passed, {failed} failed, {skipped} skipped")
    return 0 if total else 1


if __name__ == "__main__":
    sys.exit(main())
