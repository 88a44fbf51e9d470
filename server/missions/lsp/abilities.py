"""What the connected client can do, read once from its capabilities.

One place for every question of the form "may we send this?", so that a client never gets a request that it did
not announce. It asks nothing and sends nothing.
"""

from __future__ import annotations

from typing import Any, cast

from lsprotocol import types
from pygls.capabilities import get_capability


class Abilities:
    """The client's announced abilities; without a client, none."""

    def __init__(self, capabilities: types.ClientCapabilities | None = None) -> None:
        self._capabilities = capabilities or types.ClientCapabilities()

        self.progress = self._has("window.work_done_progress")
        """Shows progress that the server starts."""
        self.configuration = self._has("workspace.configuration")
        """Answers `workspace/configuration`."""
        self.register_configuration = self._has("workspace.did_change_configuration.dynamic_registration")
        """Takes a registration for `didChangeConfiguration`."""
        self.show_document = self._has("window.show_document.support")
        """Opens documents on request."""
        self.ask = self._has("window.show_message")
        """Shows questions with buttons (`window/showMessageRequest`)."""
        self.text_document_content = self._has("workspace.text_document_content")
        """Fetches read-only documents by the standard request."""
        self.code_lens_refresh = self._has("workspace.code_lens.refresh_support")
        """Asks again for code lenses when told."""
        self.inlay_hint_refresh = self._has("workspace.inlay_hint.refresh_support")
        """Asks again for inlay hints when told."""
        self.related_information = self._has("text_document.publish_diagnostics.related_information")
        """Shows the other places of a diagnostic."""
        self.code_description = self._has("text_document.publish_diagnostics.code_description_support")
        """Makes a link of a diagnostic's code."""
        self.diagnostic_data = self._has("text_document.publish_diagnostics.data_support")
        """Sends `Diagnostic.data` back with a code action request."""
        self.code_action_literals = self._has("text_document.code_action.code_action_literal_support")
        """Takes code actions, not only commands."""
        self.extension = _extension_version(self._capabilities.experimental)
        """Version of our own methods that the client speaks; 0 for none."""

    def _has(self, path: str) -> bool:
        value = get_capability(self._capabilities, path, None)
        return value is not None and value is not False


def _extension_version(experimental: Any) -> int:
    if isinstance(experimental, dict):
        version = cast("dict[str, Any]", experimental).get("missions")
        if type(version) is int and version > 0:
            return version
    return 0
