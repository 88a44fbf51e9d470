"""What an event is: its base class, the registry of types, and reading one from a record.

The events themselves stand in ``events.py``. Nothing here changes a mission.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from missions.model.errors import MissionError

EVENTS: dict[str, type[Event]] = {}
"""Every known event type."""


class Event(BaseModel):
    """Base of all events; subclasses name their ``type``."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    type: ClassVar[str] = ""

    def __init_subclass__(cls, type: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if type:
            cls.type = type
            EVENTS[type] = cls

    def data(self) -> dict[str, Any]:
        """The JSON-ready ``data`` of the record; empty fields are left out."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)


class UnknownEvent(Event):
    """A type this version does not know."""

    name: str
    payload: dict[str, Any]

    def data(self) -> dict[str, Any]:
        return self.payload


def parse_event(type: str, data: dict[str, Any]) -> Event:
    """The event of a record; ``store_corrupt`` if a known type has impossible data."""
    known = EVENTS.get(type)
    if known is None:
        return UnknownEvent(name=type, payload=data)
    try:
        return known.model_validate(data)
    except ValidationError as error:
        raise MissionError(
            "store_corrupt",
            f"A {type} record cannot be read: {error.errors(include_url=False)[0]['msg']}.",
            "Run `missions doctor` to see what is wrong and what can be restored.",
            type=type,
        ) from None
