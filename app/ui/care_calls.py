"""Questions about the room that the history takes, and the purge, which the page asks a person to confirm first."""

from collections.abc import Callable
from typing import Any

from app.studio import Studio
from app.ui.asked import answer, ulid
from app.ui.payloads import Payload, counted
from app.views import SpaceView, readable_size


def care_calls(studio: Studio) -> list[Callable[[Any], Any]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""

    def history_space(asked: Any) -> Payload:
        return answer(lambda: space_payload(studio.space()))

    def purge_unkept(asked: Any) -> Payload:
        return answer(lambda: space_payload(studio.purge_unkept(ulid(asked, "upTo"))))

    return [history_space, purge_unkept]


def space_payload(space: SpaceView) -> Payload:
    return {
        "words": f"{counted(space.pictures, 'picture')} on disk, {readable_size(space.total_bytes)} in all",
        "unkept": space.unkept,
        "question": f"Delete {counted(space.unkept, 'candidate')} that nobody kept?" if space.unkept else "",
        "gain": f"That gives back {readable_size(space.unkept_bytes)}. Kept and starred pictures stay, and those that"
        " others were made from. It cannot be undone.",
        "upTo": space.up_to,
    }
