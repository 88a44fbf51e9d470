"""The protocol's document says what the types say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from missions.lsp import operations, protocol
from missions.model import operations as model

ROOT = Path(__file__).resolve().parents[3]


def test_the_document_is_what_the_types_give() -> None:
    script = ROOT / "docs" / "development" / "protocol_document.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run python {script.relative_to(ROOT)}: {done.stderr}"


def test_every_method_and_command_is_in_the_document() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    methods = [*protocol.REQUESTS, *protocol.TO_SERVER, *protocol.TO_CLIENT]
    assert all(f"### `{method}`" in text for method in methods)
    assert all(f"| `missions.{name}` |" in text for name in operations.OWN)
    assert all(f"### `missions.{name}`" in text for name in operations.SHARED)
    assert f"(now `{protocol.VERSION}`)" in text


def test_every_method_constant_has_a_type() -> None:
    constants = {
        value for value in vars(protocol).values() if isinstance(value, str) and value.startswith("missions/")
    }
    assert constants == {*protocol.REQUESTS, *protocol.TO_SERVER, *protocol.TO_CLIENT}


def test_the_commands_are_the_operations_of_every_face_and_no_name_is_used_twice() -> None:
    assert set(operations.SHARED) == set(model.BY_NAME) - set(operations.OWN)
    assert not set(operations.SHARED) & set(operations.OWN)
    assert set(operations.SHARED) >= operations.REPORTS
