"""What the page asks about the prompt being written: how it varies, how to make it vary, which wildcards there are."""

from collections.abc import Callable
from typing import Any

from app.prompts import is_template
from app.studio import Studio
from app.swaps import vary
from app.ui.asked import answer, text
from app.ui.payloads import Payload, counted, duration_words

SHOWN = 12
MOST_PAINTED = 48  # of more variations so many are drawn, unless Explore is asked for others


def prompt_calls(studio: Studio) -> list[Callable[[Any], Any]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""

    def expand_prompt(asked: Any) -> Payload:
        return answer(lambda: expansion_payload(studio, (text(asked, "prompt") or "").strip()))

    def vary_prompt(asked: Any) -> Payload:
        spec = studio.model_status().spec
        styles = spec.styles if spec else ()
        return answer(lambda: {"prompt": vary(text(asked, "prompt") or "", text(asked, "by") or "", styles)})

    def list_wildcards(asked: Any) -> Payload:
        return answer(lambda: wildcards_payload(studio))

    return [expand_prompt, vary_prompt, list_wildcards]


def expansion_payload(studio: Studio, prompt: str) -> Payload:
    """Nothing for a plain prompt; else how many variations there are, the first of them, and what a grid would take."""
    if not is_template(prompt):
        return {}
    template = studio.prompts.read(prompt)
    painted = min(template.count, MOST_PAINTED)
    seconds = studio.sheets.seconds_for(painted)
    return {
        "count": f"{template.count:,}",
        "shown": template.first(SHOWN),
        "more": template.count > SHOWN,
        "several": template.count > 1,
        "painted": painted,
        "drawn": template.count > painted,
        "time": "" if seconds is None else duration_words(seconds),
    }


def wildcards_payload(studio: Studio) -> Payload:
    names = [
        {"name": view.name, "words": view.error or counted(view.count, "line")} for view in studio.prompts.wildcards()
    ]
    return {"folder": studio.prompts.folder, "wildcards": names}
