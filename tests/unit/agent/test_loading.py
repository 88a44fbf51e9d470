"""What is loaded for good is out of the garbage collector's way: it walks objects while all threads stand still."""

from __future__ import annotations

import subprocess
import sys


def told(code: str) -> list[str]:
    """The words that a fresh Python prints: what is loaded here already would not be loaded again."""
    watching = """
import gc
collections = []
gc.callbacks.append(lambda phase, info: collections.append(info["generation"]))
def walked(thing):
    return any(thing is found for found in gc.get_objects())
"""
    done = subprocess.run(
        [sys.executable, "-c", watching + code], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_sdk_comes_in_without_a_full_collection_and_no_later_one_walks_it() -> None:
    full, on, sdk, own = told("""
from missions.agent.credentials import Credentials
from missions.agent.model import ModelClient
client = ModelClient(Credentials("api_key", "none", "a test"))
collections.clear()
client.warm().join()
print(2 in collections, gc.isenabled())
import anthropic
mine = [[]]
print(walked(anthropic.AsyncAnthropic), walked(mine))
""")
    assert (full, on, sdk, own) == ("False", "True", "False", "True")


def test_collections_that_were_off_stay_off_and_one_that_fails_to_load_leaves_them_as_they_were() -> None:
    off, failed = told("""
from missions.loading import load
gc.disable()
load("json.tool")
print(gc.isenabled())
gc.enable()
try:
    load("missions.no_such_module")
except ImportError:
    print(gc.isenabled())
""")
    assert (off, failed) == ("False", "True")
