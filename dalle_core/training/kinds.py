"""What the open art has no picture of, and what of a like kind it has: for a corgi a dog, for a seagull a bird.

Unlike everyday words (`synonyms.py`) these are not read as one another: a corgi is more than a dog. Whoever asks for
one is told that it was not learned, and offered the other.
"""

import re
from collections.abc import Set

from dalle_core.training.palette import ZH

KINDS = {
    # animals
    "dog": "corgi, husky, beagle, pug, labrador, retriever, bulldog, dachshund, chihuahua, shiba, "
    "dalmatian, terrier, collie, hound, greyhound, mutt, doggo, doge, pupper, spaniel, rottweiler, mastiff, "
    "pomeranian, "
    "german shepherd, golden retriever, border collie, great dane, shiba inu, french bulldog, "
    "sheepdog / 柯基, 哈士奇, 金毛, 拉布拉多, 斗牛犬, 吉娃娃, 柴犬, 牧羊犬, 博美, 腊肠犬, 柯基犬, 金毛犬, 泰迪",
    "cat": "siamese, tabby, calico, sphynx, lynx, maine coon, siamese cat, persian cat, tabby cat / 暹罗, 布偶, "
    "橘猫, 英短, 猞猁, 暹罗猫, 布偶猫, 英短猫",
    "leopard": "puma, cougar, ocelot, bobcat / 美洲狮",
    "wolf": "coyote, jackal, hyena, dingo / 鬣狗, 豺",
    "horse": "foal, colt, steed / 马驹",
    "ox": "yak",
    "deer": "antelope, gazelle, impala, roe, doe / 羚羊",
    "hamster": "gerbil, vole, lemming, guinea pig / 豚鼠",
    "hedgehog": "porcupine, echidna / 豪猪",
    "otter": "weasel, ferret, mink, stoat, marten, platypus / 黄鼠狼, 雪貂, 鸭嘴兽",
    "mouse": "mole, shrew / 鼹鼠",
    "seal": "walrus, manatee / 海象, 海牛",
    "monkey": "baboon, lemur, chimp, chimpanzee, macaque / 狒狒, 狐猴",
    "bird": "birb, canary, sparrow, robin, finch, magpie, seagull, gull, hummingbird, kingfisher, woodpecker, "
    "bluebird, swallow, nightingale, cuckoo, starling / 麻雀, 知更鸟, 海鸥, 蜂鸟, 翠鸟, 啄木鸟, 燕子, 喜鹊",
    "parrot": "macaw, cockatoo, budgie, toucan, parakeet, cockatiel / 金刚鹦鹉, 巨嘴鸟",
    "eagle": "vulture, condor, osprey / 秃鹫",
    "flamingo": "stork, heron, pelican, ostrich, emu, egret, ibis / 鹳, 鹭, 鹈鹕, 鸵鸟, 仙鹤",
    "penguin": "puffin / 海鹦",
    "lizard": "newt, salamander, chameleon, iguana, axolotl / 蝾螈, 变色龙, 鬣蜥",
    "snake": "viper, rattlesnake, anaconda, boa / 蟒蛇, 毒蛇",
    "t-rex": "trex, raptor, velociraptor, allosaurus / 迅猛龙",
    "sauropod": "stegosaurus, triceratops, brontosaur, ankylosaurus / 三角龙",
    "dragon": "pterodactyl, wyvern, hydra / 翼龙",
    "fish": "salmon, tuna, trout, cod, herring, koi, eel, sardine, swordfish, stingray, minnow, catfish, "
    "sword fish / 三文鱼, 金枪鱼, 鳟鱼, 鲤鱼, 锦鲤, 鳗鱼",
    "tropical fish": "seahorse, angelfish, sea horse, angel fish / 海马",
    "oyster": "clam, mussel, scallop, cockle / 蛤蜊, 扇贝, 贻贝",
    "spiral shell": "starfish, nautilus / 海星",
    "honeybee": "hornet / 马蜂",
    "cricket": "locust, mantis, katydid / 蝗虫, 螳螂",
    "spider": "tarantula / 狼蛛",
    "butterfly": "dragonfly, firefly, damselfly / 蜻蜓, 萤火虫",
    "frog": "tadpole / 蝌蚪",
    "worm": "centipede, millipede, leech / 蜈蚣, 毛虫",
    "whale": "sperm whale / 蓝鲸",
    # plants and food
    "tulip": "lily, daffodil, poppy, iris, crocus, orchid / 百合, 水仙, 罂粟, 兰花, 鸢尾",
    "rose": "peony, carnation, camellia, dahlia / 牡丹, 康乃馨",
    "sunflower": "marigold, chrysanthemum / 菊花",
    "hyacinth": "wisteria / 紫藤",
    "cactus": "cacti, succulent, aloe, agave / 多肉, 芦荟",
    "deciduous tree": "birch, willow, elm, beech, poplar, aspen, baobab / 桦树, 柳树, 榆树",
    "evergreen tree": "cypress, cedar, juniper, redwood, sequoia / 柏树, 雪松",
    "herb": "fern, moss, basil, sage, thyme, rosemary / 蕨, 苔藓, 罗勒, 薄荷",
    "potted plant": "bonsai, monstera / 绿萝",
    "tangerine": "grapefruit, pomelo, kumquat, satsuma / 柚子, 西柚, 金桔",
    "strawberry": "raspberry, rasberry, lychee / 树莓, 荔枝",
    "grapes": "blackberry, currant / 黑莓, 桑葚",
    "cherries": "cranberry, plum / 蔓越莓, 李子",
    "peach": "apricot, guava / 杏子, 番石榴",
    "mango": "papaya / 木瓜",
    "pineapple": "durian, jackfruit / 榴莲, 菠萝蜜",
    "red apple": "pomegranate, quince / 石榴",
    "kiwi fruit": "fig, dragonfruit, passionfruit / 无花果, 火龙果, 百香果",
    "cucumber": "zucchini, courgette, asparagus, gherkin / 西葫芦, 芦笋",
    "leafy green": "spinach, leek, celery, chard, artichoke / 菠菜, 芹菜, 韭菜",
    "broccoli": "cauliflower / 花菜",
    "beans": "bean, lentil / 扁豆",
    "chestnut": "walnut, hazelnut, acorn, pecan, cashew / 核桃, 榛子, 橡果, 腰果",
    "root vegetable": "beetroot, parsnip, yam",
    "jack-o-lantern": "squash, gourd / 葫芦",
    "bacon": "ham, prosciutto, salami",
    "cooking": "omelette, omelet, frittata / 煎蛋卷",
    "spaghetti": "lasagna, lasagne, macaroni, linguine / 千层面, 通心粉",
    "chocolate bar": "brownie, fudge / 布朗尼",
    "cookie": "macaron, oreo, gingerbread / 马卡龙",
    "hot beverage": "latte, cappuccino, espresso, mocha, americano / 拿铁, 卡布奇诺, 浓缩咖啡",
    "teacup without handle": "matcha / 抹茶",
    "tropical drink": "smoothie, lemonade, sangria / 奶昔, 柠檬水",
    "jar": "jam, marmalade / 果酱",
    # things, places, people
    "automobile": "sedan, limousine, convertible, hatchback, roadster",
    "tractor": "bulldozer, digger, excavator, forklift / 推土机, 叉车",
    "helicopter": "drone, quadcopter / 无人机",
    "balloon": "zeppelin, blimp, airship, hot air balloon / 飞艇, 热气球",
    "cloud with rain": "rainy",
    "wind face": "windy / 刮风",
    "spider web": "cobweb / 蛛网",
    "rabbit": "easter bunny / 复活节兔子",
    "egg": "easter egg / 复活节彩蛋",
    "paperclip": "paper clip",
    "triangular ruler": "triangle",
    "ballet dancer": "ballerina / 芭蕾",
    "skier": "skiing / 滑雪者",
    "person lifting weights": "dumbbell, barbell / 哑铃",
    "gem stone": "emerald, sapphire, amethyst / 祖母绿",
    "rocket": "/ 太空船",
    "beverage box": "/ 橙汁",
    "castle": "citadel / 堡垒, 宫殿",
    "japanese castle": "pagoda / 宝塔",
    "mountain": "hill, pyramid, cliff, glacier, cave, canyon / 金字塔, 悬崖, 峡谷",
    "tokyo tower": "lighthouse, eiffel tower, light house / 灯塔, 铁塔",
    "hut": "igloo, barn, shed, windmill / 冰屋, 谷仓, 木屋, 风车",
    "classical building": "library, courthouse, parliament / 图书馆",
    "convenience store": "restaurant, supermarket",
    "ladder": "stairs, staircase / 楼梯",
    "guard": "knight, samurai / 骑士, 武士",
    "ogre": "orc, cyclops, minotaur / 兽人, 独眼巨人",
    "violin": "cello, viola, fiddle / 大提琴, 中提琴",
    "fire": "bonfire, campfire / 火柴, 打火机, 篝火",
    "shallow pan of food": "skillet, wok / 炒锅",
    "couch and lamp": "armchair, recliner / 扶手椅",
    "chair": "stool, throne / 凳子, 王座, 长椅",
    "nut and bolt": "screw",
    "bomb": "cannon, grenade / 大炮, 手榴弹",
    "ring": "earring, bracelet / 耳环, 手镯",
    "skis": "snowboard, surfboard / 冲浪板",
    "ringed planet": "mars, jupiter, venus, pluto, uranus / 火星, 木星, 金星",
    "comet": "meteor, asteroid, meteorite / 陨石",
    "fountain": "waterfall, cascade / 瀑布",
    "hatching chick": "/ 复活节",
    "amphora": "vase / 花瓶",
    "house": "roof, chimney, bungalow / 屋顶, 烟囱",
    "person": "human",
    "boy": "brother, son, teenager / 弟弟, 哥哥, 儿子",
    "girl": "sister, daughter / 妹妹, 姐姐",
    "woman": "mother, mom, mum, mummy, wife, aunt / 妈妈, 妻子",
    "man": "father, dad, daddy, husband, uncle, gentleman / 爸爸, 丈夫",
    "baby": "toddler / 婴孩",
    "cook": "baker, waiter, waitress / 厨子, 服务员",
    "elf": "gnome, dwarf, hobbit, leprechaun / 矮人, 侏儒",
    "zombie": "frankenstein, werewolf / 木乃伊, 狼人",
    "cityscape": "street, downtown / 街道",
    "house with garden": "farm, farmhouse, courtyard / 农场, 院子",
    "palm tree": "jungle, rainforest / 丛林",
    "flying disc": "frisbee",
    "ice cream": "popsicle, sorbet / 冰棍, 冰棒",
    "ice": "icicle",
    "bed": "pillow, blanket, mattress, crib / 枕头, 毯子, 被子",
    "t-shirt": "sweater, hoodie, pullover, jumper, cardigan / 毛衣, 卫衣",
    "bread": "brioche, sourdough",
    "dumpling": "ravioli, gyoza, wonton / 包子, 馄饨",
    "train": "railroad, caboose",
    "person wearing turban": "sultan",
    "wood": "plank",
}  # fmt: skip
"""Label of the art → what is of its kind, English / Chinese."""

SAID = {
    "red": "crimson, maroon, scarlet, burgundy, reddish / 大红色, 深红色",
    "pink": "magenta, fuchsia, rosy / 粉红色, 玫红色",
    "yellow": "beige, yellowish / 金色, 米色",
    "green": "greenish, olive green / 浅绿色, 深绿色, 翠绿色",
    "blue": "navy, turquoise, teal, cyan, azure, indigo, bluish / 深蓝色, 藏青色",
    "light blue": "sky blue, pale blue / 天蓝色",
    "purple": "purplish, mauve / 淡紫色, 深紫色",
    "brown": "tan, hazel / 咖啡色, 褐色",
    "grey": "silvery, greyish, grayish / 银色",
    "white": "ivory, snow white",
    "夜空中": "/ 夜空, 太空, 夜空里, 星空下, 星空中",
    "海面上": "/ 海上, 水面上",
    "雪地里": "/ 雪地上, 雪中, 雪里",
    "草地上": "/ 草地里, 草丛里, 草原上, 草坪上",
}  # fmt: skip
"""Colour or ground, as captions say it → what else is said for it."""

MISTAKEN = (
    "table, wall, bench, river, lake, iron, pond, carpet, rug, curtain, fence, fridge, oven, "
    "vacuum, tablet, eraser, wardrobe / 桌子, 柜子, 冰箱, 窗帘, 毛巾, 竹子, 地毯, 公园, 三角形, 水果"
)
"""Which the art has no likeness of, and only as tags or as parts of something else: its table is table tennis."""


def kinds(labels: Set[str]) -> dict[str, str]:
    """What was not learned → what to say instead: a label of those `labels` that there are, a colour or a ground; or
    nothing.
    """
    like = [(word, label) for label, told in KINDS.items() for word in _words(told) if label in labels]
    said = [
        (word, other if word.isascii() else ZH.get(other, other))
        for other, told in SAID.items()
        for word in _words(told)
    ]
    return dict([*like, *said, *((word, "") for word in _words(MISTAKEN))])


def _words(told: str) -> list[str]:
    return [word for word in map(str.strip, re.split("[,/]", told)) if word]
