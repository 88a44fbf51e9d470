"""The tests that failed in a JUnit report (its family xunit1, which names files), one a line as pytest takes them."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def failed(report: Path) -> list[str]:
    """Names such as ``tests/unit/test_x.py::test_y[z]``, in the order of the report, each once."""
    cases = ElementTree.parse(report).getroot().iter("testcase")
    wrong = [one for one in cases if one.find("failure") is not None or one.find("error") is not None]
    return list(dict.fromkeys(f"{one.get('file')}::{one.get('name')}" for one in wrong))


if __name__ == "__main__":
    print(*failed(Path(sys.argv[1])), sep="\n")
