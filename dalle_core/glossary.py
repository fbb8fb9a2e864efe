"""What a model calls things: Chinese names that it knows better in English, 幸运饼干 as “fortune cookie”, names that
are of one thing whatever words they hold, “bow and arrow”, and what one of several is called, “mouse” of “three mice”.

A small transformer that sees fewer Chinese captions than English ones takes a compound for one of its parts: a fortune
cookie for a cookie. So names are looked up before a prompt is read, as one would look them up in a dictionary; the
words around them (colours, counts, sides, grounds) stay, and so does what is added behind a comma. Knows words; of
tokens and networks it knows nothing.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from dalle_core.checkpoints import read_json, write_json
from dalle_core.errors import CheckpointError
from dalle_core.phrases import HUE_ZH, MEASURE
from dalle_core.wording import plain, several

_HAN = r"\u3400-\u9fff"
_CHINESE = re.compile(f"[{_HAN}]")
_BEFORE = re.compile(rf"(?:^\s*|[^{_HAN}\s，,、。;；!！?？.]\s*|的[，,]?\s*|[和在]|[一二两三四1-4]{MEASURE})\Z")
_COUNTED = re.compile(r"(?P<count>two|three|four) (?!leaf )(?P<rest>.+)", re.IGNORECASE | re.DOTALL)
_COUNTS = {"two": "两", "three": "三", "four": "四"}
_BEHIND = re.compile(r"[.!]?\Z|[,;]| (?:of|on|in|at|against|with) ", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:an?|the|one) ")
_QUALITIES = 3  # words between a count and what is counted, at most
_AFTER = re.compile(rf"\Z|[^{_HAN}]|[和在]|的?(?:旁边|[左右上下][边面方])|{HUE_ZH}(?:到|背景)|风格")


class Glossary:
    """Reads each of the Chinese `names` as what it stands for, where it stands by itself and not inside of a longer
    word. What a name stands for is of one thing, an English plural for one of them.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self.names = dict(names or {})
        things = [pair for pair in self.names.items() if pair[0] == pair[1] or _CHINESE.search(pair[0])]
        self._several = several({name for pair in things for name in pair})
        self._meant = set(self.names.values())
        self._longest = max(map(len, self.names), default=0)

    def knows(self, phrase: str) -> bool:
        """Whether that is a name itself, in English or in Chinese: “green apple”, with an article or without."""
        name = _ARTICLE.sub("", phrase.lower())
        return name in self.names or self.read(name) in self._meant

    def worded(self, prompt: str) -> str:
        """The prompt as captions would word it, its names left as they are; but “four mice” as 四个mouse.

        A plural is a rare word to a small transformer, and Chinese counts what keeps its name.
        """
        return self._counted(plain(prompt, self._several))

    def _counted(self, text: str) -> str:
        if not (found := _COUNTED.fullmatch(text)):
            return text
        rest = found["rest"]
        words = list(re.finditer(r"[^\s,;.!]+", rest))
        for first, word in enumerate(words[: _QUALITIES + 1]):
            for last in reversed(words[first:]):
                start, end = word.start(), last.end()
                name = rest[start:end].lower()
                if name in self.names and _BEHIND.match(rest, end):
                    one = self.names[name]
                    return f"{_COUNTS[found['count'].lower()]}个{rest[:start]}{one}{rest[end:]}"
        return text

    def read(self, text: str) -> str:
        """The text with the names that it holds put as the model knows them; of two at one place the longer."""
        if not self.names or not _CHINESE.search(text):
            return text
        parts, start, at = [], 0, 0
        while at < len(text):
            name = self._name_at(text, at)
            if name:
                parts += [text[start:at], self.names[name]]
                start = at = at + len(name)
            else:
                at += 1
        return "".join([*parts, text[start:]])

    def _name_at(self, text: str, at: int) -> str:
        if not _CHINESE.match(text[at]) or not _BEFORE.search(text[max(0, at - 8) : at]):
            return ""
        for length in range(min(self._longest, len(text) - at), 0, -1):
            name = text[at : at + length]
            if name in self.names and _AFTER.match(text, at + length):
                return name
        return ""

    def save(self, path: Path) -> None:
        write_json(path, self.names)

    @classmethod
    def load(cls, path: Path) -> "Glossary":
        names = read_json(path)
        if not all(isinstance(name, str) and name for pair in names.items() for name in pair):
            raise CheckpointError(f"{path.name}: expected names and what they are read as, all texts")
        return cls(names)
