"""What is said of things and left out, since a model that learned colours and sizes paints another thing for it: “a
cute dog” is read as “a dog”, 开心的兔子 as 兔子.

Knows words; which of them are names, of which such words may be a part (“hot dog”), it is told.
"""

import re
from collections.abc import Callable

from dalle_core.wording import COLOURS

_LOOKS = (
    "cute|adorable|lovely|pretty|beautiful|gorgeous|handsome|elegant|graceful|charming|nice|sweet|cool|awesome|amazing|great|"
    "perfect|fantastic|wonderful|fancy|stylish|kawaii|chibi|funny|silly|goofy|crazy|weird|strange|odd|quirky|whimsical|"
    "simple|minimal|minimalist|minimalistic|plain|basic|detailed|realistic|cartoon|cartoonish|stylized|stylised|abstract|"
    "shiny|glossy|glowing|sparkling|sparkly|glittery|shimmering|luminous|fluffy|furry|hairy|fuzzy|soft|smooth|plush|"
    "chubby|fat|plump|round|thin|slim|skinny|slender|tall|long|short|wide|big|large|huge|giant|gigantic|enormous|massive|"
    "fast|quick|speedy|slow|lazy|wild|tame|fierce|ferocious|strong|mighty|powerful|muscular|brave|heroic|noble|royal|majestic|"
    "happy|joyful|cheerful|jolly|merry|sad|gloomy|lonely|angry|mad|furious|grumpy|evil|wicked|mean|scary|spooky|creepy|"
    "terrifying|horrible|ugly|shy|scared|frightened|surprised|shocked|confused|bored|tired|sleepy|excited|proud|curious|"
    "serious|calm|peaceful|friendly|gentle|kind|playful|naughty|mischievous|clever|smart|wise|magical|mystical|mythical|"
    "enchanted|mysterious|legendary|fantasy|fairytale|ancient|old|young|new|modern|vintage|retro|classic|futuristic|antique|"
    "traditional|rustic|medieval|steampunk|cyberpunk|delicious|tasty|yummy|juicy|ripe|fresh|crispy|hot|warm|cold|frozen|"
    "wooden|metal|metallic|colorful|colourful|vibrant|vivid|pastel|bright|pale|dark|light|bold|wet|dry|dirty|clean|"
    "broken|cracked|empty|baby|newborn|cuddly|tropical|exotic|luxurious|luxury|expensive|cozy|cosy|"
    "very|really|super|so|extremely|quite|"
    "rich|poor|famous|lucky|favorite|favourite|typical|normal|ordinary|single|lone|real"
)
_DOING = (
    "sleeping|sitting|standing|lying|resting|running|jogging|dancing|flying|jumping|walking|swimming|diving|playing|smiling|"
    "laughing|crying|screaming|barking|roaring|singing|eating|drinking|reading|writing|waving|blooming|burning|floating|"
    "hanging|melting|spinning|rolling|shining|winking|yawning|thinking|fighting|cooking|working|studying|travelling|traveling|"
    "hiding|climbing|crawling|falling|leaping|galloping|prowling|howling|meowing|hopping|blushing|grinning|frowning"
)
_LEFT_OUT = frozenset(f"{_LOOKS}|{_DOING}".split("|"))
_SHADES = {"bright", "pale", "dark", "light"}  # of a colour
_COLOURS = frozenset(COLOURS.split("|"))
_KEPT = _COLOURS | {"small", "tiny", "little"}
_JOINING = re.compile(
    "an?|the|one|two|three|four|some|several|many|my|your|his|her|our|their|this|that|these|those|and|or|with|of|on|in|at|"
    "by|to|near|beside|behind|above|over|below|under|beneath|next|left|right|riding|holding|wearing|eating"
)  # “a boy eating fresh bananas”, but “a boy eating bananas”
_LONGEST = 6  # words of a name
_BETWEEN = 6  # words between one and the name that it is said of
_WORD = re.compile(r"[^\W_\u3400-\u9fff]+(?:[-'’][^\W_\u3400-\u9fff]+)*")
_ARTICLE = re.compile(r"(?<![^\W_])(an?) \Z", re.IGNORECASE)

_LOOKS_ZH = (
    "可爱|漂亮|美丽|好看|帅气|优雅|迷人|有趣|搞笑|滑稽|奇怪|古怪|神奇|神秘|奇幻|梦幻|魔幻|卡通|简约|简单|精致|写实|逼真|"
    "闪亮|闪闪发光|发光|闪耀|毛茸茸|毛绒绒|毛绒|柔软|软软|圆圆|圆滚滚|胖胖|胖乎乎|高高|高大|长长|巨大|超大|大大|"
    "快乐|开心|高兴|欢乐|伤心|难过|悲伤|孤独|生气|愤怒|凶猛|邪恶|可怕|恐怖|吓人|害羞|害怕|惊讶|疲惫|兴奋|骄傲|好奇|"
    "严肃|安静|友好|温柔|善良|调皮|淘气|聪明|勇敢|强壮|强大|威武|霸气|古老|年轻|现代|复古|传统|未来|好吃|美味|"
    "香喷喷|新鲜|多汁|热腾腾|温暖|寒冷|冰冷|木头|木制|木质|金属|彩色|五颜六色|五彩缤纷|鲜艳|明亮|明媚|幸运|普通|萌萌|呆萌|"
    "睡觉|熟睡|睡着|坐着|站着|躺着|奔跑|跑步|跳舞|飞翔|飞行|跳跃|走路|行走|游泳|玩耍|微笑|大笑|哭泣|唱歌|燃烧|盛开|"
    "漂浮|融化|旋转|思考|打架|工作|学习"
)
_SAID_ZH = re.compile(
    rf"(?:正在|很|非常|超级|超|特别)?(?:(?:{_LOOKS_ZH})的?[又、]?|[帅胖瘦高长老旧新热凶萌笑哭]的)"
)  # a letter alone may be a part of a word: 高球 is golf

_ONE = re.compile("rolling pin|sleeping bag|dancing shoes|hot wheels|metal spring|short circuit|wet wipe|hot sauce")
"""What is called so and is no name of the art's: less of it is another thing."""
IsName = Callable[[str], bool]


def unadorned(text: str, is_name: IsName) -> tuple[str, tuple[str, ...]]:
    """The text without what is said of its names, and what that was."""
    words = list(_WORD.finditer(text))
    parts, left_out, at, first = list[str](), list[str](), 0, 0
    while first < len(words):
        word, last = words[first], _last_of_name(text, words, first, is_name)
        if last > first + 1 or (last and word[0].lower() not in _LEFT_OUT):  # a baby elephant is no baby
            first = last
            continue
        said_of = word[0].lower() in _LEFT_OUT and _begins(text, words, first)
        following = said_of and _follows(text, words, first + 1, is_name)
        if following > first + 1:
            end = words[_last_of_name(text, words, following, is_name) - 1].end()
            name = f"{word[0]} {text[words[following].start() : end]}"
            if is_name(name.lower()):  # a standing black dog as a black standing dog
                head = _before(text[at : word.start()], text[words[first + 1].start() :])
                between = text[words[first + 1].start() : words[following].start()]
                moved, more = unadorned(f"{head}{between}{name}{text[end:]}", is_name)
                return "".join([*parts, moved]), (*left_out, *more)
        if following and not (word[0].lower() in _SHADES and words[first + 1][0].lower() in _COLOURS):
            parts.append(text[at : word.start()])
            left_out.append(word[0])
            at = words[first + 1].start() if words[first + 1][0].lower() != "and" else words[first + 2].start()
            parts = [_before("".join(parts), text[at:])]
        first += 1
    return "".join([*parts, text[at:]]), tuple(left_out)


def _before(text: str, what: str) -> str:
    """The text that stands before this, with the article that it takes now."""
    article = _ARTICLE.search(text)
    return f"{text[: article.start()]}{article[1][0]}{'n' * (what[0].lower() in 'aeiou')} " if article else text


def _begins(text: str, words: list[re.Match[str]], number: int) -> bool:
    """Whether a phrase may begin with that word, or what is said in it go on."""
    if not number or text[words[number - 1].end() : words[number].start()] != " ":
        return True
    before = words[number - 1][0].lower()
    return before in _LEFT_OUT or before in _KEPT or bool(_JOINING.fullmatch(before))


def _last_of_name(text: str, words: list[re.Match[str]], first: int, is_name: IsName) -> int:
    """One more than the number of the last word of the longest name that begins with word `first`; 0 without one."""
    for last in range(min(first + _LONGEST, len(words)), first, -1):
        name = text[words[first].start() : words[last - 1].end()].lower()
        if is_name(name) or _ONE.fullmatch(name):
            return last
    return 0


def _follows(text: str, words: list[re.Match[str]], first: int, is_name: IsName) -> int:
    """Number of the word with which a name comes next, or after more that is said of it; 0 without one."""
    for number in range(first, min(first + _BETWEEN, len(words))):
        between = text[words[number - 1].end() : words[number].start()]
        if between == " " and _last_of_name(text, words, number, is_name):
            return number
        if between not in {" ", ", "}:
            return 0
        word = words[number][0].lower()
        if word == "and" and number + 1 < len(words) and words[number + 1][0].lower() in _LEFT_OUT:
            continue
        if word not in _LEFT_OUT and word not in _KEPT:
            return 0
    return 0


def said_of_chinese(text: str, at: int) -> int:
    """How many letters are said there of what comes then: the first of it, where more is said."""
    found = _SAID_ZH.match(text, at)
    return found.end() - at if found else 0
