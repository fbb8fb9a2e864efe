"""Chinese, which puts no spaces between its words: a row of characters taken apart into words that are known and parts
that are not. Knows characters alone.
"""

import re
from collections.abc import Collection, Sequence

from dalle_core.phrases import MEASURE

HAN = re.compile(r"[\u3400-\u9fff]+")

# Of these a sentence is built, or they say of a thing how it is in a way that anything can be, or what it does.
_SMALL = frozenset(
    "天大小老新色的了着过地得是有很太超和与跟在从把被让给请我你他她它们这那上下里中前后边面旁时没吧吗呢啊人脸头们底版款式风"
    "一二两三四五六七八九十百千万几半双多骑吃喝拿穿戴看睡坐站唱弹拉打抱背举捧撑趴追踢开跳飞跑走画舞"
)
_COLOURS = frozenset("红橙黄绿青蓝紫粉棕黑白灰深浅淡")
_PHRASES = frozenset({
    "非常", "特别", "前面", "后面", "里面", "外面", "可爱", "漂亮", "好看", "美丽", "想要", "开心", "快乐",
    "高兴", "悲伤", "贴纸", "图标", "卡通", "表情", "表情包", "插画", "头像", "扁平", "简约", "纯色", "背景",
    "彩色", "七彩", "五彩", "彩虹色", "天空", "天空中", "天上", "空中", "海里", "海中", "水里", "水中", "海边",
    "天气"
})  # fmt: skip
_MEASURES = f"{MEASURE.strip('[]')}碗枚副扇间栋家套道轮株枝盘盒罐袋面卷盆排壶阵滴篮筐群堆对双些"
_COUNTED = frozenset(f"{number}{measure}" for number in "一二两三四几五六七八九十百" for measure in _MEASURES)


class Segmenter:
    """`known` are words, `strange` words that are not known as they stand, though parts of them are."""

    def __init__(self, known: Collection[str], strange: Collection[str]) -> None:
        self._grammar = _SMALL | _COLOURS | _PHRASES | _COUNTED
        self._known = self._grammar.union(known).difference(strange)
        self._words = self._known.union(strange)
        self._longest = max(map(len, self._words))

    def strange(self, text: str) -> list[str]:
        """The parts of a text that no known words make up, in order. A name of one character beside such a part belongs
        to it: there is fire in 火龙果, and a dragon, but it is a fruit.
        """
        return [part for row in HAN.findall(text) for part in _joined(self._pieces(row), self._grammar)]

    def _pieces(self, row: str) -> list[tuple[str, bool]]:
        """Each with whether it is known: words that leave the fewest characters over, and as few of them as do."""
        best = [(0, 0, 1)]  # to each place: how many are left over, how many pieces there are, the last one's length
        for end in range(1, len(row) + 1):
            left, pieces, _ = best[end - 1]
            ways = [(left + 1, pieces + 1, 1)]
            for start in range(max(0, end - self._longest), end):
                if row[start:end] in self._words:
                    left, pieces, _ = best[start]
                    ways.append((left, pieces + 1, end - start))
            best.append(min(ways))
        found, end = list[tuple[str, bool]](), len(row)
        while end:
            start = end - best[end][2]
            found.append((row[start:end], row[start:end] in self._known))
            end = start
        return found[::-1]


def _joined(pieces: Sequence[tuple[str, bool]], alone: Collection[str]) -> list[str]:
    strange = [not known for _, known in pieces]
    for order in (range(1, len(pieces)), range(len(pieces) - 2, -1, -1)):
        for at in order:
            beside, text = at - order.step, pieces[at][0]
            joins = strange[beside] and len(pieces[beside][0]) == 1 and pieces[beside][0] not in alone
            strange[at] = strange[at] or (joins and len(text) == 1 and text not in alone)
    parts, open_part = list[str](), False
    for (text, _), odd in zip(pieces, strange, strict=True):
        joinable = len(text) == 1
        if odd and open_part and joinable:
            parts[-1] += text
        elif odd:
            parts.append(text)
        open_part = odd and joinable
    return parts
