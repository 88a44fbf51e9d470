"""Loading what stays for the life of the process, so that the garbage collector leaves it alone.

A full collection walks every object while all threads stand still. Of the classes and schemas of large packages there
are hundreds of thousands, none of which is ever garbage: while they come in, and now and then ever after, a server would
be deaf for a tenth of a second. Collections that somebody else switched off stay off.
"""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType

_mutex = threading.Lock()
_loading = 0
_were_on = False


def load(name: str) -> ModuleType:
    """Import a module with all that it imports, for good; from any thread."""
    found = sys.modules.get(name)
    # A module that another thread is still importing is there already, and is not to be used.
    if found is not None and not getattr(found.__spec__, "_initializing", False):
        return found
    with _for_good():
        return importlib.import_module(name)


@contextmanager
def _for_good() -> Generator[None]:
    """No collection runs inside, and what exists at the end is never walked by one."""
    global _loading, _were_on
    with _mutex:
        if _loading == 0:
            _were_on = gc.isenabled()
            gc.disable()
        _loading += 1
    try:
        yield
    finally:
        with _mutex:
            _loading -= 1
            if _loading == 0:
                gc.freeze()
                if _were_on:
                    gc.enable()
