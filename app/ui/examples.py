"""What a newcomer can begin with: prompts that the model paints well, and pictures to complete. Read from assets/ui."""

import base64
import json
from functools import cache
from typing import Any

from app.studio import Studio
from app.styles import styles_of
from app.ui.brand import ASSETS
from app.ui.payloads import STYLES_SHOWN, Payload


def offered_styles(studio: Studio) -> list[str]:
    """Of the model that is there, or is being loaded: nothing moves under the hand once it is."""
    status = studio.model_status()
    styles = status.spec.styles if status.spec else styles_of(studio.settings, status.name)
    return list(styles[:STYLES_SHOWN])


def example_prompts() -> dict[str, list[str]]:
    """For each language of the page."""
    prompts: dict[str, list[str]] = _examples()["prompts"]
    return prompts


@cache
def example_pictures() -> list[Payload]:
    """Each with its file in base64, and the words to complete it with in each language of the page."""
    return [{"data": _encoded(entry["file"]), "words": entry["words"]} for entry in _examples()["pictures"]]


def _encoded(name: str) -> str:
    return base64.b64encode((ASSETS / "examples" / name).read_bytes()).decode()


@cache
def _examples() -> dict[str, Any]:
    examples: dict[str, Any] = json.loads((ASSETS / "examples.json").read_text(encoding="utf-8"))
    return examples
