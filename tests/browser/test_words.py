"""The page in English and in Chinese: chosen in the page, remembered by the browser, and nobody else's business."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, Visit

pytestmark = pytest.mark.browser


def test_a_browser_that_chose_chinese_keeps_it_and_another_stays_english(
    served: Served, visit: Callable[[str], Visit]
) -> None:
    visitor, other = visit(served.url), visit(served.url)
    page = visitor.open()
    expect(page.get_by_role("button", name="Paint", exact=True)).to_be_visible()
    with page.expect_navigation():
        page.get_by_role("combobox", name="Language").select_option("zh")
    for _ in range(2):
        _ready(page)
        assert page.evaluate("document.documentElement.lang") == "zh-CN"
        expect(page.get_by_role("tab")).to_have_text(["创作", "历史"])
        expect(page.get_by_role("button", name="开始绘制")).to_be_visible()
        expect(page.get_by_label("提示词")).to_have_attribute("placeholder", "例如：蓝色背景上的红苹果，noto 风格")
        expect(page.locator(".chips h3")).to_have_text(["风格", "试试这些"])
        expect(page.locator(".blank h2")).to_have_text("描述一幅画面，然后点「开始绘制」。")
        page.reload()
    english = other.open()
    assert english.evaluate("document.documentElement.lang") == "en"
    expect(english.get_by_role("tab").first).to_have_text("Create")
    assert visitor.errors == []
    assert visitor.strays == []


def test_a_message_is_known_by_its_template(served: Served, visit: Callable[[str], Visit]) -> None:
    page = visit(served.url).page
    page.add_init_script("localStorage.setItem('dalle-studio-language', 'zh')")
    page.goto(served.url)
    for english, chinese in {
        "count is 500; expected a value from 1 to 256.": "候选数为 500，应在 1 到 256 之间。",
        "7 of 20 finished · row 3 of 8 · about 12 s left": "已完成 7/20 · 第 3/8 行 · 约剩 12 秒",
        "Stopped. 7 of 20 candidates finished.": "已停止。已完成 7/20 张候选图。",
        "A sentence nobody translated.": "A sentence nobody translated.",
    }.items():
        assert page.evaluate("text => dalleWords.t(text)", english) == chinese
    filled = page.evaluate("dalleWords.t('Match {score}', {score: '{score} </b> 0.31'})")
    assert filled == "匹配度 {score} </b> 0.31"


def _ready(page: Page) -> None:
    page.locator(".model-status[data-state=ready]").wait_for()
    page.locator(".chip").first.wait_for()
