"""Asking the user before something is done that needs a yes.

Only an explicit yes counts: a question that is dismissed, answered with no, or not answered at all leaves everything
as it was. It never decides which operation needs a confirmation; that is told by the error ``confirmation_needed``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lsprotocol import types

from missions.lsp.calls import running_command
from missions.lsp.protocol import QuestionData
from missions.lsp.withdrawing import withdrawable
from missions.model.errors import MissionError

if TYPE_CHECKING:
    from missions.lsp.session import Session

T = TypeVar("T")

PATIENCE = 600.0
"""Seconds that a question waits for its answer."""
NO = "Cancel"

Answer = Literal["yes", "no", "silence", "cannot"]


async def ask(session: Session, question: str, yes: str) -> Answer:
    """Show the question with the button ``yes`` and one that leaves everything as it is."""
    server = session.server
    if not server.abilities.ask:
        return "cannot"
    command, request = running_command.get() or (None, None)
    title = await choose(
        session, question, [yes, NO], QuestionData(command=command, request=request), PATIENCE
    )
    if title == yes:
        return "yes"
    return "no" if title == NO else "silence"


async def choose(
    session: Session, question: str, titles: list[str], about: QuestionData, timeout: float | None
) -> str | None:
    """Show the question with these buttons; the title of the one that was pressed."""
    server = session.server
    params: dict[str, Any] = {
        "type": types.MessageType.Warning,
        "message": question,
        "actions": [{"title": title} for title in titles],
    }
    if server.abilities.extension:
        params["data"] = about
    answer = await server.ask_client(types.WINDOW_SHOW_MESSAGE_REQUEST, params, timeout)
    return getattr(answer, "title", None)


def declined(answer: Answer) -> MissionError:
    """The error after a question that was not answered with yes."""
    what = "You said no." if answer == "no" else "Nobody confirmed it."
    return MissionError("declined", what, "Nothing was changed; run the command again to be asked again.")


async def asking_for_yes(session: Session, act: Callable[[bool], T], yes: str) -> T:
    """Do it; if it wants a confirmation, ask, and do it with ``True`` after a yes.

    A client that cannot ask gets the error, whose arguments it may send again with ``confirmed``.
    """
    try:
        return await withdrawable(lambda: act(False))
    except MissionError as error:
        if error.code != "confirmation_needed":
            raise
        answer = await ask(session, error.message, yes)
        if answer == "cannot":
            raise MissionError(
                error.code, error.message, "Send the command again with “confirmed”: true.", **error.data
            ) from None
    if answer != "yes":
        raise declined(answer)
    return await withdrawable(lambda: act(True))
