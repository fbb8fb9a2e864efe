"""What a model calls things: Chinese names that it knows better in English, 幸运饼干 as “fortune cookie”, names that
are of one thing whatever words they hold, “bow and arrow”, what one of several is called, “mouse” of “three mice”, and
everyday words for what it knows by another, “a bike” as “a bicycle”.

A small transformer that sees fewer Chinese captions than English ones takes a compound for one of its parts: a fortune
cookie for a cookie. So names are looked up before a prompt is read, as one would look them up in a dictionary; the
words around them (colours, counts, sides, grounds) stay, and so does what is added behind a comma. Knows words; of
tokens and networks it knows nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dalle_core.checkpoints import read_json, write_json
from dalle_core.epithets import said_of_chinese, unadorned
from dalle_core.errors import CheckpointError
from dalle_core.everyday import Everyday, bare, named
from dalle_core.listing import Listing, is_several, listed
from dalle_core.phrases import HUE_ZH, MEASURE, readings
from dalle_core.placing import DOING, placed
from dalle_core.scenery import grounded
from dalle_core.wording import HOW, NAMELESS, NUMBERS, QUALITIES, an, plain, relation, several

GLOSSARY = "glossary.json"  # in a model's folder, where it has one
_HAN = r"\u3400-\u9fff"
_CHINESE = re.compile(f"[{_HAN}]")
_BEFORE = re.compile(rf"(?:^\s*|[^{_HAN}\s，,、。;；!！?？.]\s*|的[，,]?\s*|[和在]|[一二两三四1-4]{MEASURE})\Z")
_COUNTED = re.compile(r"(?P<count>two|three|four) (?!leaf )(?P<rest>.+)", re.IGNORECASE | re.DOTALL)
_COUNTS = {"two": "两", "three": "三", "four": "四"}
_BEHIND = re.compile(r"[.!]?\Z|[,;]| (?:of|on|in|at|against|with) ", re.IGNORECASE)
_READABLE = 300  # characters
_TABLES = ("names", "everyday", "plurals")
_QUALITIES = 3  # words between a count and what is counted, at most
_JOINING = ("and", "or", "with")
_MANY = r"(?:(?:the )?(?P<{0}>two|three|four|[234])|an?|the|one|1) "
_EACH = re.compile(
    rf"{_MANY.format('first')}(?P<one>[^,.!]+?) (?P<how>{HOW}) {_MANY.format('second')}(?P<two>[^,.!]+?)"
    r"(?P<rest>,.*| (?:on|in|at|against) .*|[.!]?)",
    re.IGNORECASE | re.DOTALL,
)
_MANY_FIRST = re.compile(r"(?:(?:the )?(?:two|three|four|[234]|some|several|many) )?", re.IGNORECASE)
_SIDES = (("one", "first"), ("two", "second"))
_QUALIFIED = re.compile(rf"(?:(?:{QUALITIES}) )*", re.IGNORECASE)
_SIDE_BY_SIDE_ZH = re.compile(rf"(?P<one>[{_HAN}]+)[ 、\u3000]+(?P<two>[{_HAN}]+)(?P<rest>[，,].*)?", re.DOTALL)
_ITEM = re.compile(
    r"(?:(?:the|my|our|your) )?(?:(?:(?P<some>some|several|many|a few|lots of|a lot of|a pair of|a couple of)|"
    rf"(?P<count>an?|the|{'|'.join(NUMBERS)}|[1-9]\d?)) )?(?P<name>.+)",
    re.IGNORECASE,
)
_ITEM_ZH = re.compile(
    rf"(?:(?P<count>[一两二三四五六七八九十1-9])?(?:{MEASURE}|[碗份副栋盘])|(?P<some>一些|几{MEASURE}|很多|许多))?(?P<name>.+)"
)
_SIZES = re.compile(r"\b(?:tiny|small|little|big|large|huge) (?=\w)", re.IGNORECASE)
_WITHIN = re.compile(r" (?:on|in|at|against) ", re.IGNORECASE)
_HOW_MANY = {"两": 2} | {
    sign: number for number, signs in enumerate(zip(NUMBERS, "一二三四五六七八九十", strict=True), 1) for sign in signs
}  # and digits are themselves
_HEAD_ZH = re.compile("[树花车船肉鱼鸟伞票茶汤糖酒饭面果包]|蛋糕|手机|电脑|面包|冰淇淋|果汁|贴纸")
_HUED_ZH = re.compile(f"^{HUE_ZH}的?")
_ONE_ZH = re.compile(
    "红[茶糖牛灯]|[白冰]糖|[绿黄]灯|红十字|小红书|小红帽|黑洞|小熊猫|蓝精灵|黑猩猩|白熊|白头发|黑发|[黑白]板|[黑白]夜|白天|小黄人|大白菜"
)  # a colour and a name, but another thing
_HUE_AND_SIZE = re.compile("[小大]?(?P<hue>浅?[红橙黄绿蓝紫粉棕黑白灰])(?P<said>色)?(?:的?[小大])?(?!的)|[小大](?!的)")
_HANDLED = re.compile(r"[戴穿拿举抱骑坐开]着?\Z")
_BESIDE_ZH = re.compile("[的上下里中骑坐戴穿拿抱举吃喝玩看]")
_SOMEBODY_ZH = re.compile(".*[人男女孩]")
_AFTER = re.compile(rf"\Z|[^{_HAN}]|[和在]|的?(?:旁边|[左右上下][边面方])|{HUE_ZH}(?:到|背景)|风格")


class Glossary:
    """Reads each of the Chinese `names` as what it stands for, where it stands by itself and not inside of a longer
    word. What a name stands for is of one thing, an English plural for one of them.

    What is said every day is read as `everyday` has it, in both languages, and comes before names.
    """

    def __init__(self, names: Mapping[str, str] | None = None, everyday: Everyday | None = None) -> None:
        self.names = dict(names or {})
        self.everyday = everyday or Everyday()
        things = [pair for pair in self.names.items() if pair[0] == pair[1] or _CHINESE.search(pair[0])]
        called = {name for pair in things for name in pair}
        self._several = several(called)
        self._listing = tuple(sorted(filter(is_several, called | self.everyday.plurals.keys())))
        self._meant = set(self.names.values())
        self._begin = {name.split(" and ")[0] for name in self._several if " and " in name}
        self._chinese = self.names | self.everyday.words
        self._longest = max(map(len, self._chinese), default=0)

    def knows(self, phrase: str) -> bool:
        """Whether that is a name itself, in English or in Chinese: “green apple”, with an article or without."""
        name = named(phrase).lower()
        return name in self.names or name in self.everyday.things or self.read(name) in self._meant

    def worded(self, prompt: str) -> str:
        """The prompt as captions would word it, its names left as they are; but “four mice” as 四个mouse, and “mice” as
        三个mouse, and “a hammer and a boy” as “a hammer beside a boy” where a name begins with “hammer and”: that would
        be painted.

        A plural is a rare word to a small transformer, and Chinese counts what keeps its name. Different things are
        listed one by one, 猫 狗 are 猫和狗, and what things do is where they stand, one of each.
        """
        text = self._plain(prompt)
        if listed := self.listed(text):
            return listed.told()
        text = self.one_each(text) or self.placed(text) or self._side_by_side(text)
        text = self._apart(self._counted(self.everyday.paired(text)))
        count, one = self.everyday.several(text)
        return f"{' 两三四'[count - 1]}个{one}" if count else text

    def _plain(self, prompt: str) -> str:
        """Asked for plainly, in a place that captions know, colour by colour."""
        return self._qualified(self._unadorned(self._grounded(prompt)[0])[0])

    def _grounded(self, prompt: str) -> tuple[str, str]:
        """Asked for plainly, in a place that captions know, and what that is read as. A name as a whole stays."""
        text = plain(prompt, self._several)
        if self._is_name(named(text).lower()):
            return text, ""
        told, place = grounded(text)
        return plain(told, self._several), place

    def grounded(self, prompt: str) -> str:
        """What a prompt's place is read as: “on the grass” of “a cat in the woods”. Empty for any other prompt."""
        return self._grounded(prompt)[1] if len(prompt) <= _READABLE else ""

    def left_out(self, prompt: str) -> tuple[str, ...]:
        """What is said of a prompt's things and not read: “cute” of “a cute dog”."""
        return self._unadorned(self._grounded(prompt)[0])[1] if len(prompt) <= _READABLE else ()

    def _is_name(self, name: str) -> bool:
        """In lower case, as it stands, be it several: nothing around it belongs to it."""
        return name in self.names or name in self.everyday.things or name in self.everyday.plurals

    def _unadorned(self, text: str) -> tuple[str, tuple[str, ...]]:
        text, left_out = unadorned(text, self._is_name)
        at = 0
        while self._chinese and at < len(text):
            said = text[at : at + said_of_chinese(text, at)]
            if len(self._longest_at(text, at)) < len(said) and _BEFORE.search(text[max(0, at - 8) : at]):
                start = self._said_of(text, at + len(said))
                name = self._longest_at(text, start)
                if name and start > at + len(said) and said + name in self._chinese:  # 坐着的白猫
                    text = text[:at] + text[at + len(said) : start] + said + text[start:]
                elif name:
                    left_out = (*left_out, said)
                    text = text[:at] + text[at + len(said) :]
                    continue  # there may be more
            at += 1
        return text, left_out

    def _said_of(self, text: str, at: int) -> int:
        """Where a name may begin, behind what else is said of it: its colour, its size, and what is left out."""
        while not self._longest_at(text, at):
            found = _HUE_AND_SIZE.match(text, at)
            length = found.end() - at + text.startswith("的", found.end()) if found else said_of_chinese(text, at)
            if not length:
                break
            at += length
        return at

    def placed(self, prompt: str) -> str:
        """ "a cat on a car" as “a cat above a car”. Empty for a prompt that says no such thing, and for a name."""
        text = self._plain(prompt) if len(prompt) <= _READABLE else ""
        if any(name in text.lower() for name in self._several):
            return ""
        ways = readings(text)
        told = bool(ways) and len(ways[0]) > 1 and not DOING.fullmatch(ways[0][0].text)
        return "" if told else placed(self._one_first(text), self.knows, self.read)

    def _one_first(self, text: str) -> str:
        """ "two cats on a car" and “cats on a car” as “a cat on a car”, to be placed."""
        found = _MANY_FIRST.match(text)
        words = list(re.finditer(r"\S+", text[found.end() :])) if found else []
        for word in words[: _QUALITIES + 1]:
            start, end = found.end(), found.end() + word.end()  # type: ignore[union-attr]
            if one := self._one(text[start:end], many=True):
                return an(one) + text[end:]
        return text

    def listed(self, prompt: str) -> Listing | None:
        """ "two cats and a red dog" as “a cat﹐a cat﹐a red dog”, 猫、狗和两个苹果 as 猫﹐狗﹐苹果﹐苹果. None for any
        other prompt, for one of two things, one each, and for one that is longer than anyone reads.
        """
        text = self._plain(prompt) if len(prompt) <= _READABLE else ""
        if any(name in text.lower() for name in self._listing):
            return None
        found = listed(text, self._item, self._is_said_of)
        if found is None or any(_WITHIN.search(thing) for thing in found.things):
            return None
        called = dict[str, str]()  # one name for what is read alike
        return replace(found, things=tuple(called.setdefault(self.read(thing), thing) for thing in found.things))

    def kinds(self, prompt: str) -> int:
        """How many different things a picture of it is painted of one by one; 1 for what is no list."""
        listing = self.listed(prompt)
        return 1 if listing is None else len(set(listing.things))

    def _item(self, phrase: str) -> tuple[str, int]:
        """A known thing as captions name one of it, and how many there are; nothing for any other phrase."""
        chinese = bool(_CHINESE.search(phrase))
        if phrase[:1].isdecimal() and self.everyday.knows(phrase):
            return an(phrase), 1  # an 8 ball
        found = (_ITEM_ZH if chinese else _ITEM).fullmatch(phrase)
        if found is None:
            return "", 0
        number, name = (found["count"] or "").lower(), found["name"]
        count = int(number) if number.isdecimal() else _HOW_MANY.get(number, 2 if found["some"] else 1)
        if chinese:
            name = self._unadorned(self._qualified(name))[0]
            name = name if _CHINESE.search(name) else an(name)
            return (name, count) if self._is_thing(_HUED_ZH.sub("", named(name))) else ("", 0)
        name = _SIZES.sub("", name)  # in a square of its own
        one = self._one(name, many=True) or self._one(name, many=False)
        return (an(one), count) if one and self._is_thing(bare(one)) else ("", 0)

    def _is_thing(self, name: str) -> bool:
        """Whether the art has it under this name or one that is read so: not a mere tag, as “cute” is."""
        if not self.everyday.things:
            return self.knows(name)
        name = name.lower()
        return self.read(name).lower() in self.everyday.things and not NAMELESS.fullmatch(name)

    def _is_said_of(self, one: str, other: str) -> bool:
        """Whether the second may be another word for the first, or the first a part of it: “flower, rose flower”."""
        first, second = (self.read(named(name)).lower() for name in (one, other))
        return f" {first} " in f" {second} " or f" {second} " in f" {first} "

    def one_each(self, prompt: str) -> str:
        """ "two cats above a red dog" as “a cat above a red dog”: of things that stand somehow a model has learned
        pictures of one each. Empty for any other prompt, and for one that is longer than anyone reads.
        """
        text = self._plain(prompt) if len(prompt) <= _READABLE else ""
        found = _EACH.fullmatch(text)
        if found is None or not (found["first"] or found["second"]):
            return ""
        one, two = (self._one(found[name], bool(found[count])) for name, count in _SIDES)
        apart = one and two and self.read(one) != self.read(two)
        return f"{an(one)} {relation(found['how'])} {an(two)}{found['rest']}" if apart else ""

    def _are_two(self, names: list[str]) -> bool:
        return all(map(self.knows, names)) and self.read(names[0]) != self.read(names[1])

    def _one(self, phrase: str, many: bool) -> str:
        """A known thing without its article; of several “red apples” one. Empty for an unknown one."""
        start = _QUALIFIED.match(phrase).end() if not self.knows(phrase) or many else 0  # type: ignore[union-attr]
        name = phrase[start:].lower()
        one = self._one_of(name) if many else name if self.knows(name) else ""
        return phrase[:start] + one if one and not (many and one == name) else ""  # eyes are no one thing

    def _side_by_side(self, text: str) -> str:
        found = _SIDE_BY_SIDE_ZH.fullmatch(text)
        names = [] if found is None else [found["one"], found["two"]]
        if found is None or not self._are_two(names) or self._compound(*names):
            return text
        return f"{names[0]}和{names[1]}{found['rest'] or ''}"

    def _compound(self, one: str, other: str) -> bool:
        """Whether both are one word with a space in it, 草莓 蛋糕."""
        return one + other in self._chinese or bool(_HEAD_ZH.fullmatch(other))

    def _apart(self, text: str) -> str:
        for way in readings(text):
            names = [bare(phrase.text).lower() for phrase in way]
            joined = f"{way[0].text} and "
            if text.startswith(joined) and self._begin & {self.everyday.words.get(name, name) for name in names}:
                return f"{way[0].text} beside {text.removeprefix(joined)}"
        return text

    def _counted(self, text: str) -> str:
        if not (found := _COUNTED.fullmatch(text)):
            return text
        rest = found["rest"]
        words = list(re.finditer(r"[^\s,;.!]+", rest))
        for first, word in enumerate(words[: _QUALITIES + 1]):
            if word[0].lower() in _JOINING:
                break
            for last in reversed(words[first:]):
                start, end = word.start(), last.end()
                if (one := self._one_of(rest[start:end].lower())) and _BEHIND.match(rest, end):
                    return f"{_COUNTS[found['count'].lower()]}个{rest[:start]}{one}{rest[end:]}"
        return text

    def _one_of(self, name: str) -> str:
        """What one of several is called; nothing if that is not known."""
        if name.removesuffix("s") != name and {name, name[:-1]} <= self.everyday.things:
            return name[:-1]  # flowers are a bouquet and houses a row, but four flowers are four of one
        as_it_is = name if name in self.everyday.words else ""  # noodles are noodles
        return self.everyday.plurals.get(name, as_it_is) or self.names.get(name, "")

    def read(self, text: str) -> str:
        """The text with the names that it holds put as the model knows them; of two at one place the longer."""
        return self.everyday.read(self._read_names(text))

    def _read_names(self, text: str) -> str:
        if not self._chinese or not _CHINESE.search(text):
            return text
        parts, start, at = [], 0, 0
        while at < len(text):
            name = self._name_at(text, at)
            if name:
                parts += [text[start:at], self.everyday.meaning(name, text[:at]) or self.names[name]]
                start = at = at + len(name)
            else:
                at += 1
        return "".join([*parts, text[start:]])

    def _qualified(self, text: str) -> str:
        """红帽子 and 红色小帽子 as 红色的帽子, as captions say it, 小鸭子 as 鸭子: a name behind another
        letter is taken for a part of a word. What is a name as a whole, as 红酒, stays, and so do people.
        """
        for found in reversed([*_HUE_AND_SIZE.finditer(text)] if self._chinese else []):
            start, end, hue = *found.span(), found["hue"] or ""
            end -= end - start > 1 and text[end - 1] in "小大" and bool(self._longest_at(text, end - 1))
            before = text[max(0, start - 8) : start]
            begins = _BEFORE.search(before) or _HANDLED.search(before)
            if not begins or self._longest_at(text, start) or _ONE_ZH.match(text, start):
                continue
            if text[start] in "小大" and self._longest_at(text, start + 1):
                text = text[:start] + text[start + 1 :]
            elif (name := self._longest_at(text, end)) and (found["said"] or not _SOMEBODY_ZH.fullmatch(name)):
                text = f"{text[:start]}{hue}色的{text[end:]}"
        return text

    def _longest_at(self, text: str, at: int) -> str:
        """The longest name that stands there up to the end of a word, whatever is before it."""
        for length in range(min(self._longest, len(text) - at), 0, -1):
            end = at + length
            if text[at:end] in self._chinese and (_AFTER.match(text, end) or _BESIDE_ZH.match(text, end)):
                return text[at:end]
        return ""

    def _name_at(self, text: str, at: int) -> str:
        if not _CHINESE.match(text[at]) or not _BEFORE.search(text[max(0, at - 8) : at]):
            return ""
        for length in range(min(self._longest, len(text) - at), 0, -1):
            name = text[at : at + length]
            if name in self._chinese and _AFTER.match(text, at + length):
                meant = self.everyday.words.get(name)
                if meant is None or self.everyday.agrees(meant, text, at, at + length):
                    return name
        return ""

    def save(self, path: Path) -> None:
        tables = {"names": self.names, "everyday": self.everyday.words, "plurals": self.everyday.plurals}
        write_json(path, tables if self.everyday.things else self.names)

    @classmethod
    def load(cls, path: Path) -> "Glossary":
        """A file that is one table, as they were before there were everyday words, is of names."""
        found = read_json(path)
        tables = found if found.keys() & _TABLES and isinstance(next(iter(found.values())), dict) else {"names": found}
        for name, table in tables.items():
            if name not in _TABLES or not isinstance(table, dict):
                raise CheckpointError(f"{path.name}: expected tables of {', '.join(_TABLES)}, found {name!r}")
            if not all(isinstance(text, str) and text for pair in table.items() for text in pair):
                raise CheckpointError(f"{path.name}: expected names and what they are read as, all texts")
        return cls(tables.get("names"), Everyday(tables.get("everyday"), tables.get("plurals")))
