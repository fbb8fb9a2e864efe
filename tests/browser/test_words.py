"""The page in English and in Chinese: chosen in the page, remembered by the browser, and nobody else's business."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from app.models import DEFAULT_MODEL
from app.settings import Settings
from app.studio import Studio
from app.ui.brand import TITLE
from app.ui.routes import ULID
from dalle_core.families.catalogue import OFFERS
from dalle_core.families.registry import read_spec
from tests.browser.conftest import PATIENCE_MS, Served, Visit
from tests.browser.test_recipe_drop import drop
from tests.fakes import SPEC, FakeModel, FakeReranker, fake_studio

pytestmark = pytest.mark.browser
READ = """() => [...document.querySelectorAll("body *")].filter(node => node.checkVisibility())
    .flatMap(node => [
        ...[...node.childNodes].filter(child => child.nodeType === Node.TEXT_NODE).map(child => child.data),
        ...["placeholder", "aria-label", "title", "alt"].map(name => node.getAttribute(name) ?? ""),
    ])"""
BUNDLED = read_spec(Settings.models_dir / DEFAULT_MODEL)  # which the Models tab lists, in whatever language
PUBLIC = {name for offer in OFFERS.values() for name in (offer.title, offer.licence.name)}  # names of what can be had
FAMILIES = ("Malevich", "Janus-Pro")  # of which what is said of one speaks
RIGHT = (*SPEC.styles, *BUNDLED.styles, SPEC.name, BUNDLED.name, BUNDLED.licence, FakeReranker.name, *PUBLIC, *FAMILIES,
         TITLE, "Top-", "token", "English", "Language", "cpu", "CPU", "GPU", "kB", "MB", "GB", "PNG")  # fmt: skip
NAMES = re.compile("|".join([r"/[\w/.-]+", ULID.pattern, *map(re.escape, sorted(RIGHT, key=len, reverse=True))]))


def test_a_browser_that_chose_chinese_keeps_it_and_another_stays_english(
    served: Served, visit: Callable[[str], Visit]
) -> None:
    visitor, other = visit(served.url), visit(served.url)
    with _told(visitor.page):
        page = visitor.open()
    expect(page.get_by_role("button", name="Paint", exact=True)).to_be_visible()
    with _told(page), page.expect_navigation():
        page.get_by_role("combobox", name="Language").select_option("zh")
    for _ in range(2):
        _ready(page)
        assert page.evaluate("document.documentElement.lang") == "zh-CN"
        expect(page.get_by_role("tab")).to_have_text(["创作", "补全", "变化", "探索", "图库", "模型"])
        expect(page.get_by_role("button", name="开始绘制")).to_be_visible()
        prompt = page.get_by_role("textbox", name="提示词", exact=True).first
        expect(prompt).to_have_attribute("placeholder", "例如：蓝色背景上的红苹果，noto 风格")
        expect(page.locator(".chips h3")).to_have_text(["风格", "试试这些"])
        expect(page.locator(".vary")).to_have_text(["风格", "颜色", "背景"])
        expect(page.locator(".blank h2")).to_have_text("描述一幅画面，然后点“开始绘制”。")
        with _told(page):
            page.reload()
    english = other.open()
    assert english.evaluate("document.documentElement.lang") == "en"
    expect(english.get_by_role("tab").first).to_have_text("Create")
    assert visitor.errors == []
    assert visitor.strays == []


def test_no_english_is_left_in_the_chinese_page(
    tmp_path: Path, serve_studio: Callable[[Studio], str], visit: Callable[[str], Visit]
) -> None:
    """On a history of its own: prompts that others typed would be English by right."""
    visitor = visit(serve_studio(fake_studio(tmp_path, FakeModel(), open_browser=False)))
    visitor.page.add_init_script("localStorage.setItem('dalle-studio-language', 'zh')")
    page = visitor.open()
    visitor.paint("雪人", count=501)
    expect(page.get_by_role("alert").filter(visible=True)).to_have_text("候选数为 501，应在 1 到 256 之间。")
    visitor.paint("雪人", count=5)
    expect(page.locator(".run-state")).to_have_text("共 5 张候选图，最佳在前")
    expect(page.locator(".run-settings")).to_contain_text("5 张候选图 · 种子")
    for drawer in page.locator(".drawer > button").filter(visible=True).all():
        drawer.click()
    for name in visitor.show_tabs():
        assert _english(page) == [], name
    page.get_by_role("tab", name="创作").click()
    page.locator(".grid.best .tile").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("第 1/5 名")
    assert _english(page) == []
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog.get_by_role("button", name="复制配方").click()
    expect(dialog.get_by_role("status").filter(has_text="配方")).to_have_text("配方已复制。")
    assert visitor.errors == []


def test_no_english_is_left_in_questions_the_queue_and_messages(
    tmp_path: Path, serve_studio: Callable[[Studio], str], visit: Callable[[str], Visit]
) -> None:
    model = FakeModel()
    studio = fake_studio(tmp_path, model, open_browser=False)
    visitor = visit(serve_studio(studio))
    visitor.page.add_init_script("localStorage.setItem('dalle-studio-language', 'zh')")
    page, dialog = visitor.open(), visitor.page.get_by_role("dialog")
    visitor.paint("雪人", count=5)
    expect(page.locator(".run")).to_have_attribute("data-status", "done")
    image = studio.images(limit=1)[0]
    for data in (studio.image_path(image.id).read_bytes(), b"<svg></svg>"):
        drop(page, "#prompt", data)
        expect(dialog).to_be_visible()
        assert _english(page) == []
        dialog.get_by_role("button", name="关闭").click()
    model.step_seconds = 0.04
    for _ in range(4):
        visitor.paint("灯塔", count=16)
    expect(page.locator(".queue-list li")).to_have_count(3)
    page.locator(".queue .remove").first.click()
    expect(page.locator(".queue-foot")).to_be_visible()
    assert _english(page) == []
    page.locator(".grid.best .tile[data-state=done]").first.click()
    with studio.history.writing() as writer:
        writer.execute("DELETE FROM images")
    dialog.get_by_role("button", name="使用种子").click()
    expect(page.locator(".toast-body")).to_contain_text("这张图片已不在这里")
    assert _english(page) == []
    studio.clear_queue()


def test_a_message_is_known_by_its_template(served: Served, visit: Callable[[str], Visit]) -> None:
    page = visit(served.url).page
    page.add_init_script("localStorage.setItem('dalle-studio-language', 'zh')")
    page.goto(served.url)
    for english, chinese in {
        "Candidates is 500; expected a value from 1 to 256.": "候选数为 500，应在 1 到 256 之间。",
        "7 of 20 finished · row 3 of 8 · about 12 s left": "已完成 7/20 · 第 3/8 行 · 约剩 12 秒",
        "Stopped. 7 of 20 candidates finished.": "已停止。已完成 7/20 张候选图。",
        "A sentence nobody translated.": "A sentence nobody translated.",
    }.items():
        assert page.evaluate("text => dalleWords.t(text)", english) == chinese
    filled = page.evaluate("dalleWords.t('Match {score}', {score: '{score} </b> 0.31'})")
    assert filled == "匹配度 {score} </b> 0.31"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["250", "29.5 million", "335 million", "2.6 billion", "10,000,000"]),
        ("zh", ["250", "2950 万", "3.35 亿", "26 亿", "10,000,000"]),
    ],
)
def test_large_numbers_are_said_as_the_language_counts(
    served: Served, visit: Callable[[str], Visit], language: str, said: list[str]
) -> None:
    page = visit(served.url).page
    page.add_init_script(f"localStorage.setItem('dalle-studio-language', '{language}')")
    page.goto(served.url)
    numbers = [250, 29_488_640, 334_960_640, 2_600_000_000]
    assert page.evaluate("numbers => numbers.map(dalleWords.roughly)", numbers) == said[:-1]
    assert page.evaluate("dalleWords.number(1e7)") == said[-1]


def _english(page: Page) -> list[str]:
    """Texts of the page, seen or read out, that hold a word in Latin letters; prompts and names are such by right."""
    texts: list[str] = page.evaluate(READ)
    return [text for text in texts if re.search("[A-Za-z]{2}", NAMES.sub("", text))]


@contextmanager
def _told(page: Page) -> Iterator[None]:
    """Until the page that is opened within has been told the model's status. What it shows is there sooner, and Gradio
    puts an error on the console where a page is left while it is being told."""
    ended: list[str] = []

    def note(request: Request) -> None:
        ended.append(request.url)

    page.on("requestfinished", note)
    page.on("requestfailed", note)  # Gradio breaks off what has been told to its end
    yield
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not any("/queue/data" in url for url in ended):
        assert time.monotonic() < deadline, "the page is not told the model's status"
        page.wait_for_timeout(20)
    page.remove_listener("requestfinished", note)
    page.remove_listener("requestfailed", note)


def _ready(page: Page) -> None:
    page.locator(".model-status[data-state=ready]").wait_for()
    page.locator(".chip").first.wait_for()
