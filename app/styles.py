"""Which style a prompt names, of those that a model was trained on. Reads models' configs, imports no torch."""

import contextlib
import re
from collections.abc import Callable
from functools import cache

from app.models import folder_of
from app.recipes import Recipe
from app.settings import Settings, is_model_name
from dalle_core.errors import DalleError
from dalle_core.families.registry import read_spec


def style_of(prompt: str, styles: tuple[str, ...]) -> str:
    """The style a prompt names, as in `red apple, noto`, `noto style` or `noto 风格`; empty where it names none."""
    for style in sorted(styles, key=len, reverse=True):  # "fluent flat" before "fluent"
        name = re.escape(style)
        if re.search(rf"[,，]\s*{name}(?!\w)|(?<!\w){name}\s*(?:style|风格)", prompt, re.IGNORECASE):
            return style
    return ""


def styles_of(settings: Settings, model: str) -> tuple[str, ...]:
    """Those that a model was trained on, whether or not it is loaded; none where it is not there."""
    with contextlib.suppress(DalleError):
        return read_spec(folder_of(settings, model)).styles
    return ()


def style_finder(settings: Settings) -> Callable[[Recipe], str]:
    """The style that a recipe's prompt names, where its model is still there to say what its styles are."""

    @cache
    def styles(model: str) -> tuple[str, ...]:
        return styles_of(settings, model)

    return lambda recipe: style_of(recipe.request.prompt, styles(recipe.model) if is_model_name(recipe.model) else ())
