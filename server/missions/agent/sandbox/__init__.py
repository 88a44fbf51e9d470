"""Where a run's commands live: bubblewrap, seatbelt or none; one sandbox per run.

Start with :class:`~missions.agent.sandbox.session.Sandbox`; what it may do is a :class:`~missions.agent.sandbox.policy.Policy`.
"""
