"""What the page asks about the prompt being written: how it varies, which of its words the model never learned, how to
make it vary, which wildcards and which names there are.
"""

from collections.abc import Callable
from typing import Any

from app.prompts import is_template
from app.studio import Studio
from app.swaps import vary
from app.ui.asked import answer, text, value
from app.ui.payloads import Payload, counted, duration_words
from dalle_core.vocabulary import QUOTED

SHOWN = 12
NAMES_SHOWN = 60
MOST_PAINTED = 48  # of more variations so many are drawn, unless Explore is asked for others


def prompt_calls(studio: Studio) -> list[Callable[[Any], Any]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""

    def read_prompt(asked: Any) -> Payload:
        prompt = (text(asked, "prompt") or "").strip()
        return answer(lambda: expansion_payload(studio, prompt) | unlearned_payload(studio, prompt))

    def vary_prompt(asked: Any) -> Payload:
        spec = studio.model_status().spec
        styles = spec.styles if spec else ()
        return answer(lambda: {"prompt": vary(text(asked, "prompt") or "", text(asked, "by") or "", styles)})

    def list_wildcards(asked: Any) -> Payload:
        return answer(lambda: wildcards_payload(studio))

    def find_names(asked: Any) -> Payload:
        first = value(asked, "first")
        query = text(asked, "query") or ""
        return answer(lambda: names_payload(studio, query, first if isinstance(first, int) and first > 0 else 0))

    return [read_prompt, vary_prompt, list_wildcards, find_names]


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


def unlearned_payload(studio: Studio, prompt: str) -> Payload:
    """Words that the model never learned, of a template those of its first variations, and what to say instead; whether
    there are others; and what else it cannot paint, a sentence each.
    """
    vocabulary = studio.vocabulary()
    if vocabulary is None:
        return {}
    said = studio.prompts.read(prompt).first(SHOWN) if is_template(prompt) else [prompt]
    words = list(dict.fromkeys(word for text in said for word in vocabulary.unknown(text)))
    unlearned = [{"word": word, "near": vocabulary.near(word)} for word in words[:QUOTED]]
    return {"unlearned": unlearned, "others": len(words) > QUOTED, "limits": vocabulary.limits(said[0])}


def names_payload(studio: Studio, query: str, first: int) -> Payload:
    """NAMES_SHOWN names from the one numbered `first`, whether there are more, and of how many; without `names` for a
    model that does not say.
    """
    vocabulary = studio.vocabulary()
    if vocabulary is None:
        return {}
    found = vocabulary.find(query[:100], NAMES_SHOWN + 1, first)
    names = [{"en": name.en[0].lower(), "zh": name.zh[0] if name.zh else name.en[0]} for name in found[:NAMES_SHOWN]]
    return {"names": names, "more": len(found) > NAMES_SHOWN, "count": f"{len(vocabulary.names):,}"}


def wildcards_payload(studio: Studio) -> Payload:
    names = [
        {"name": view.name, "words": view.error or counted(view.count, "line")} for view in studio.prompts.wildcards()
    ]
    return {"folder": studio.prompts.folder, "wildcards": names}
