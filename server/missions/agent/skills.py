"""Skills in the agentskills format: reading ``SKILL.md``, finding skills, the catalogue, and the packaged base skills.

Parsing is lenient about form and strict about meaning: a skill without a description is left out with a warning. The
front matter is read by a small parser of its own, which knows no anchors, aliases or tags. Nothing here runs a skill.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from itertools import islice
from pathlib import Path

from missions.model.errors import MissionError

PROJECT_FOLDERS = (".agents/skills", ".claude/skills")
"""Below the repository's root and, with the home folder in its place, for the user; the first one wins on a clash."""
_DEPTH = 5
_FOLDERS = 2_000
_LARGEST = 256 * 1024
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_KEY = re.compile(r"([A-Za-z_][\w-]*)\s*:(?:\s+(.*)|)$")


@dataclass(frozen=True)
class Skill:
    """One skill."""

    name: str
    description: str
    body: str = ""
    path: Path | None = None
    """Its ``SKILL.md``; supporting files lie beside it."""
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    warnings: tuple[str, ...] = ()


def parse(text: str, folder: str = "") -> Skill:
    """The skill that a ``SKILL.md`` in the folder of this name describes; ``bad_argument`` if it cannot be used."""
    front, body = _split(text)
    values = _front_matter(front)
    warnings: list[str] = []
    name = _scalar(values.get("name")) or folder
    description = _scalar(values.get("description"))
    if not description:
        raise MissionError(
            "bad_argument",
            f"The skill {name or 'without a name'} has no description.",
            "Add `description:` to its front matter.",
        )
    if not _NAME.match(name) or len(name) > 64:
        warnings.append(f"the name {name!r} should be 1 to 64 lower-case letters, digits and single hyphens")
    elif folder and name != folder:
        warnings.append(f"the name {name!r} differs from its folder {folder!r}")
    if len(description) > 1024:
        warnings.append("the description is longer than 1024 characters")
    meta = values.get("metadata")
    metadata = {key: value for key, value in meta.items() if value} if isinstance(meta, dict) else {}
    return Skill(name, description[:1024], body.strip(), None, metadata, tuple(warnings))


def load(path: Path) -> Skill:
    """The skill in this ``SKILL.md``."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise MissionError("not_found", f"The skill {path} cannot be read: {error.strerror}.", "") from None
    skill = parse(text, path.parent.name)
    return Skill(skill.name, skill.description, skill.body, path, skill.metadata, skill.warnings)


def discover(roots: Iterable[Path]) -> tuple[list[Skill], list[str]]:
    """The skills below these folders, earlier ones winning, and warnings about what was left out."""
    found: dict[str, Skill] = {}
    warnings: list[str] = []
    for root in roots:
        for path in _skill_files(root):
            try:
                skill = load(path)
            except MissionError as error:
                warnings.append(f"{path.parent.name}: {error.message}")
                continue
            warnings += [f"{skill.name}: {warning}" for warning in skill.warnings]
            if skill.name in found:
                warnings.append(f"{skill.name}: hidden by {found[skill.name].path}")
            else:
                found[skill.name] = skill
    return [found[name] for name in sorted(found)], warnings


def roots(repository: Path | None, home: Path | None = None) -> list[Path]:
    """Where skills are looked for: the repository's folders (only pass a trusted one), then the user's."""
    bases = [base for base in (repository, home or Path.home()) if base is not None]
    return [base / folder for base in bases for folder in PROJECT_FOLDERS]


def catalogue(repository: Path | None, home: Path | None = None) -> str:
    """The text about all skills there are for a repository and the user; empty without any. Reads files."""
    skills, _ = discover(roots(repository, home))
    return catalogue_of(skills)


def catalogue_of(skills: Iterable[Skill]) -> str:
    """The skills by name and description for the first user message; empty without skills."""
    lines: list[str] = []
    for skill in skills:
        location = f' location="{html.escape(str(skill.path))}"' if skill.path else ""
        description = " ".join(skill.description.split())
        lines.append(
            f'<skill name="{html.escape(skill.name)}"{location}>{html.escape(description, quote=False)}</skill>'
        )
    return "\n".join(["<available_skills>", *lines, "</available_skills>"]) if lines else ""


def base_skill(name: str) -> str:
    """The body of a packaged skill (``mission-worker`` …): from the installed package, or the repository in development."""
    if not _NAME.match(name):
        raise MissionError("not_found", f"There is no base skill {name!r}.", "")
    packaged = resources.files("missions") / "skills" / name / "SKILL.md"
    if packaged.is_file():
        return parse(packaged.read_text("utf-8"), name).body
    source = Path(__file__).resolve().parents[3] / "skills" / name / "SKILL.md"
    if source.is_file():
        return load(source).body
    raise MissionError(
        "not_found",
        f"The base skill {name!r} is missing.",
        "The installation is incomplete; install Missions again.",
    )


def _skill_files(root: Path) -> list[Path]:
    found: list[Path] = []
    depth = len(root.parts)
    for folder, below, files in islice(os.walk(root, followlinks=False), _FOLDERS):
        below[:] = sorted(name for name in below if name not in (".git", "node_modules"))
        if len(Path(folder).parts) - depth >= _DEPTH:
            below.clear()
        if "SKILL.md" in files:
            found.append(Path(folder) / "SKILL.md")
            below.clear()  # what lies beside a skill belongs to it
    return found


def _split(text: str) -> tuple[list[str], str]:
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---":
        return [], text
    for number, line in enumerate(lines[1:], 1):
        if line.strip() in ("---", "..."):
            return lines[1:number], "\n".join(lines[number + 1 :])
    return [], text


def _front_matter(lines: list[str]) -> dict[str, str | dict[str, str]]:
    values: dict[str, str | dict[str, str]] = {}
    at = 0
    while at < len(lines):
        match = _KEY.match(lines[at])
        at += 1
        if match is None:
            continue  # comments, blank lines, what this format does not have
        key, value = match[1], (match[2] or "").strip()
        inner: list[str] = []
        while at < len(lines) and (not lines[at].strip() or lines[at][:1] in (" ", "\t")):
            inner.append(lines[at])
            at += 1
        if value[:1] in ("|", ">"):
            joined = "\n" if value[0] == "|" else " "
            values[key] = joined.join(line.strip() for line in inner).strip()
        elif value:
            # A plain value may go on in indented lines; a colon inside it needs no quotes here.
            values[key] = _unquoted(" ".join([value, *(line.strip() for line in inner if line.strip())]))
        else:
            pairs = [pair for line in inner if (pair := _KEY.match(line.strip()))]
            values[key] = {pair[1]: _unquoted((pair[2] or "").strip()) for pair in pairs}
    return values


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        inner = value[1:-1]
        return (
            inner.replace("''", "'") if value[0] == "'" else inner.replace('\\"', '"').replace("\\\\", "\\")
        )
    return value.split(" #", 1)[0].rstrip()


def _scalar(value: str | dict[str, str] | None) -> str:
    return value.strip() if isinstance(value, str) else ""
