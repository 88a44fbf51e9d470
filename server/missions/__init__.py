"""Missions: hand large work to coding agents and stay in charge of it."""

__version__ = "0.1.0"
