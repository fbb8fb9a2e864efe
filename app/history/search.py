"""How text becomes search terms. SQLite's tokenizer knows no Chinese or Japanese words: each character is a term.

Nor does it know emoji and other symbols: each becomes a word made of its number.
"""

import re
import unicodedata

MAX_WORDS = 32

_CJK = re.compile(
    "(["
    "\u2e80-\u2fdf"  # radicals
    "\u3040-\u30ff"  # kana
    "\u3100-\u312f\u31a0-\u31bf"  # bopomofo
    "\u31f0-\u31ff"  # small katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # ideographs
    "\uac00-\ud7a3"  # hangul
    "\U00020000-\U0003ffff"  # the rarer ideographs
    "])"
)

_JOINER = re.compile("[\u200d\ufe00-\ufe0f]")  # between the parts of an emoji, and how one is to look


def indexable(text: str) -> str:
    """What goes into the index for `text`: each CJK character and symbol apart, full-width letters as plain ones."""
    return " ".join(_CJK.sub(r" \1 ", _clean(text)).split())


def match_expression(query: str) -> str | None:
    """An FTS5 expression that finds every word of `query`, the words' beginnings included; None when it has no words.

    Each word is quoted, so nothing the artist types is syntax. Neighbouring CJK characters must be neighbours.
    """
    words = [word for word in _clean(query).split() if any(character.isalnum() for character in word)]
    return " ".join(_phrase(word) for word in words[:MAX_WORDS]) or None


def _phrase(word: str) -> str:
    quoted = '"' + indexable(word).replace('"', '""') + '"'
    ends_open = word[-1].isalnum() and not _CJK.match(word[-1])
    return quoted + "*" if ends_open else quoted


def _clean(text: str) -> str:
    """Normalized, without what SQLite's text cannot hold: lone surrogates and control characters."""
    return "".join(_spelled(character) for character in unicodedata.normalize("NFKC", text))


def _spelled(character: str) -> str:
    match unicodedata.category(character):
        case "Cc" | "Cs":
            return " "
        case "So":
            return f" u{ord(character):x} "
        case _:
            return "" if _JOINER.match(character) else character
