"""The page's words in Chinese. The code is written in English, and an English text is the key of its translation.

Nothing here depends on who asks: a page is sent with every language, and its scripts choose (assets/ui/words.js). So
the service layer and the history stay English, and two browsers may differ.
"""

import json
from functools import cache

import gradio as gr
from gradio.components.api_component import Api
from gradio.i18n import I18nData

from app.ui.brand import ASSETS

CATALOGUE = ASSETS / "words.zh.json"
CHOICE = """<select class="language" aria-label="Language / 语言" autocomplete="off">
<option value="en" lang="en">English</option><option value="zh" lang="zh-CN">中文</option></select>"""
READ_BY_PEOPLE = ("label", "info", "placeholder")


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """English text, or template with {values}, -> Chinese. A value that is itself in words is {value:words} there.

    `page` holds what the page says by itself; `studio` what the service layer says, whose sentences are recognised.
    """
    words: dict[str, dict[str, str]] = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    return words


def script(language: str) -> str:
    """words.js, and what it reads: the catalogue, and the language of visitors who have chosen none (auto: any)."""
    given = json.dumps({"language": language, "words": catalogue()}, ensure_ascii=False).replace("<", "\\u003c")
    code = (ASSETS / "words.js").read_text(encoding="utf-8")
    return f'<script type="application/json" id="dalle-words">{given}</script><script>{code}</script>'


def localized(page: gr.Blocks) -> gr.I18n:
    """Have every widget of `page` say its words in the visitor's language. For `launch(i18n=…)`."""
    texts = [text for block in page.blocks.values() for text in _localize(block)]
    words = catalogue()["page"]
    return gr.I18n(**{"en": {text: text for text in texts}, "zh-CN": {text: words.get(text, text) for text in texts}})


def _localize(block: gr.blocks.Block) -> list[str]:
    """The texts of one widget, each of which it now looks up. Parameters of the API are widgets, too, and stay."""
    if isinstance(block, Api):
        return []
    if isinstance(block, gr.HTML):
        if block.js_on_load:
            block.js_on_load = f"dalleWords.localize(element); {block.js_on_load}"
        return []
    names = (*READ_BY_PEOPLE, "value") if isinstance(block, gr.Button) else READ_BY_PEOPLE
    found = {name: text for name in names if isinstance(text := getattr(block, name, None), str) and text}
    for name, text in found.items():
        setattr(block, name, I18nData(text))
    return list(found.values())
