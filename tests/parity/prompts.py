"""Two hundred prompts of every kind people type: plain, long, with accents, emoji, other scripts, odd spaces, marks."""

from itertools import product

COLOURS = ("red", "Blue", "mint-green", "ivory", "рыжий", "红色的", "rosé", "темно-синий")
THINGS = ("cat", "avocado armchair", "Wohnzimmer", "кот в шляпе", "猫", "🦊", "naïve façade", "ship's wheel")
STYLES = ("", ", oil on canvas", " — 35mm photo, f/1.8", "!!! 8k, trending")
ODD = (
    "a", ".", "0", "  two  spaces ", "tab\tand\nline", "ALL CAPS", "ﬁne ﬂour", "e\u0301 and é", "１２３", "½ a pie",
    "👩‍🚀 on the 🌕", "🇯🇵🇫🇷", "zero\u200bwidth", "right-to-left \u202eabc", "مرحبا بالعالم", "שלום", "नमस्ते", "สวัสดี",
    "한국어 고양이", "日本の猫、赤い帽子", "C++ & <b>bold</b>", "{red|blue}", "__animal__", "%s %d {}", "'; DROP TABLE",
    "\u00a0no-break", "ünïcödé", "i̇stanbul İ", "straße", "x" * 300, "very " * 120 + "long", "red, " * 60, "🦊" * 40,
)  # fmt: skip

PROMPTS = tuple(
    [f"{colour} {thing}{style}" for colour, thing, style in product(COLOURS, THINGS, STYLES)][: 200 - len(ODD)]
) + tuple(ODD)
