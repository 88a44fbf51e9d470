"""The tools a conversation of the engine has: commands, files, search, submissions.

Each module has a factory that returns tools bound to a :class:`~missions.agent.tools.workspace.Workspace` and, for
commands, to a sandbox.
"""
