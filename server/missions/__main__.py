"""Where ``missions`` begins: the language server, or the command line.

The language server is chosen before anything of the command line is loaded, and the version is told without either.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run ``missions`` with the arguments of this process; does not return."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        from missions import __version__

        sys.stdout.write(f"missions {__version__}\n")
        return
    from missions.loading import load

    if arguments[:1] == ["lsp"]:
        load("missions.lsp.server").main(arguments[1:])
        return
    # No package may change how records are read, and looking for one costs a look at every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    sys.exit(load("missions.cli.app").main(arguments))


if __name__ == "__main__":
    main()
