"""The packed extension: what is in it, how large it is, and that it needs nothing else."""

from __future__ import annotations

import json
import re
import zipfile
from typing import Any

import missions
from missions.settings import Settings
from support.editors import vsix

BUNDLE = 550_000
VSIX = 2_000_000


def contents() -> dict[str, int]:
    with zipfile.ZipFile(vsix()) as packed:
        return {entry.filename: entry.file_size for entry in packed.infolist()}


def manifest() -> dict[str, Any]:
    with zipfile.ZipFile(vsix()) as packed:
        return json.loads(packed.read("extension/package.json"))


def test_the_extension_is_small_and_brings_readme_icon_licence_and_server_along() -> None:
    inside = contents()
    assert vsix().stat().st_size < VSIX
    assert inside["extension/out/extension.js"] <= BUNDLE
    names = {name.lower() for name in inside}
    assert {"extension/readme.md", "extension/license.txt", "extension/media/icon.png"} <= names
    assert any(re.fullmatch(r"extension/bundled/missions-.*\.whl", name) for name in names)


def test_no_sources_tests_or_packages_travel_along() -> None:
    strays = [name for name in contents() if re.search(r"node_modules|/src/|/test/|\.map$|tsconfig", name)]
    assert strays == []


def test_the_server_inside_has_the_version_of_the_extension() -> None:
    wheel = next(name for name in contents() if name.endswith(".whl"))
    assert f"missions-{missions.__version__}-" in wheel
    assert manifest()["version"] == missions.__version__


def test_the_defaults_that_the_editor_shows_are_those_of_the_engine() -> None:
    groups = manifest()["contributes"]["configuration"]
    shown: dict[str, Any] = {name: prop for group in groups for name, prop in group["properties"].items()}
    engine = Settings().model_dump(mode="json")
    for name, prop in shown.items():
        key = name.removeprefix("missions.")
        if key.startswith("server."):
            continue
        value: Any = engine
        for part in key.split("."):
            assert part in value, f"the engine has no setting {key}"
            value = value[part]
        assert value == prop["default"], name
