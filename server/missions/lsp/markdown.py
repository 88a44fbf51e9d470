"""Foreign text inside our Markdown, under the name that the features here use; see ``missions.model.markdown_text``."""

from __future__ import annotations

from missions.model.markdown_text import code as code
from missions.model.markdown_text import code_block as code_block
from missions.model.markdown_text import escape as escape
from missions.model.markdown_text import escape_lines as escape_lines
from missions.model.markdown_text import inline as inline
from missions.model.markdown_text import lines as lines
from missions.model.markdown_text import shorten as shorten
