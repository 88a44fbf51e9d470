"""Which notifications may wait, be joined, be replaced or be lost when a client reads slowly.

A table and the joining of payloads; it sends nothing. A method that is not in the table always arrives as it was
sent.
"""

from __future__ import annotations

from typing import Any, cast

from lsprotocol import types

from missions.lsp import protocol
from missions.lsp.outbox import Coalesce
from missions.lsp.payload import to_json


def coalescing(method: str, params: Any) -> Coalesce | None:
    """How this notification treats an older one that still waits."""
    if method == types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS:
        return Coalesce((method, params.uri))
    if method == types.PROGRESS:
        return _progress(method, params)
    if method in (types.WINDOW_LOG_MESSAGE, types.LOG_TRACE):
        return Coalesce(object(), droppable=True)
    if method == protocol.STATUS:
        return Coalesce(method)
    if method == protocol.TREE_DID_CHANGE:
        return Coalesce(method, merge=_join_tree_changes)
    if method == protocol.CHAT_DELTA:
        return Coalesce((method, params.chat, params.message, params.kind), merge=_join_text, adjacent=True)
    if method == protocol.FILES_CHANGED:
        return Coalesce((method, params.mission), merge=_join_uris)
    return None


def _progress(method: str, params: Any) -> Coalesce | None:
    if isinstance(params, dict):
        progress = cast("dict[str, Any]", params)
        if progress["value"].get("kind") == "report":
            return Coalesce((method, progress["token"]))
    return None


def _join_tree_changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    first, second = to_json(old["params"]), to_json(new["params"])
    ids = [*first["nodeIds"], *second["nodeIds"]] if first["nodeIds"] and second["nodeIds"] else []
    return {**new, "params": {**second, "nodeIds": list(dict.fromkeys(ids))}}


def _join_text(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    first, second = to_json(old["params"]), to_json(new["params"])
    return {**new, "params": {**second, "text": first["text"] + second["text"]}}


def _join_uris(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    first, second = to_json(old["params"]), to_json(new["params"])
    return {**new, "params": {**second, "uris": list(dict.fromkeys([*first["uris"], *second["uris"]]))}}
