"""Text as the service accepts it: valid Unicode without lone surrogates.

Pure functions on values; nothing is cut or redacted here.
"""

from __future__ import annotations

from typing import Any, cast


def mended(text: str) -> str:
    """``text`` with split surrogate pairs joined and lone surrogates replaced; a lone one makes the whole request invalid."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def mended_value(value: Any) -> Any:
    """``mended`` for all strings of a JSON value, keys included."""
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, list):
        return [mended_value(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {mended(str(key)): mended_value(item) for key, item in cast("dict[Any, Any]", value).items()}
    return value
