"""Foreign text inside our Markdown: shown as it is, without effect.

Titles, notes, model output and command output end up in tooltips and documents. Escaped here, they cannot bring
HTML, links, images, command links or structure with them. :func:`escape` is for places that nobody reads raw;
:func:`inline` escapes only what would act, because documents are also read unrendered. It renders nothing.
"""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:$@^=])")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff]"
)
_ACTS = re.compile(
    r"[\\`*\[\]<>|~$]|&(?=[#\w]+;)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.|(?<=\w)@(?=\w)|(?<=mailto):"
)
"""What starts emphasis, code, links, HTML, tables, formulas or entities, and what makes a bare address a link."""
_STARTS = re.compile(r"^(\d*)([#+=.)-])(?=\s|[#=-]|$)")
"""What starts a heading, a list or a rule at the beginning of a line."""
_BREAKS = re.compile(r"\s*[\r\n\u2028\u2029]+\s*")


def escape(text: str) -> str:
    """One line of foreign text; line breaks become spaces, control and direction marks disappear."""
    line = _CONTROL.sub("", _BREAKS.sub(" ", text))
    return _SPECIAL.sub(r"\\\1", line.strip())


def inline(text: str, limit: int = 2000) -> str:
    """One line of foreign text that stays readable where Markdown is not rendered; at most ``limit`` characters."""
    line = _CONTROL.sub("", _BREAKS.sub(" ", text)).strip()
    line = _ACTS.sub(r"\\\g<0>", shorten(line, limit))
    return _STARTS.sub(r"\1\\\2", line)


def lines(text: str, limit: int = 8000) -> str:
    """Several lines of foreign text; paragraphs and breaks stay, nothing else acts."""
    shown = [inline(line) for line in shorten(text, limit).splitlines()]
    return "\n".join(
        f"{line}  " if line and number + 1 < len(shown) and shown[number + 1] else line
        for number, line in enumerate(shown)
    )


def escape_lines(text: str) -> str:
    """Several lines of foreign text; each break stays a break."""
    return "  \n".join(escape(line) for line in text.splitlines())


def code(text: str) -> str:
    """One line of foreign text as inline code."""
    line = _CONTROL.sub("", _BREAKS.sub(" ", text)).strip()
    if not line:
        return ""
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def code_block(text: str, language: str = "") -> str:
    """Foreign text as a block; the fence is longer than any run of backticks inside."""
    clean = "\n".join(_CONTROL.sub("", line) for line in text.splitlines())
    fence = "`" * max(3, _longest_run(clean) + 1)
    return f"{fence}{re.sub(r'[^A-Za-z0-9+-]', '', language)}\n{clean}\n{fence}"


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, with an ellipsis; before escaping, never after."""
    return text if len(text) <= limit else text[: max(0, limit - 1)].rstrip() + "…"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0) if "`" in text else 0
