"""The Models tab in a real browser: cards, another model while a job waits, and one that cannot be loaded."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import APIResponse, Page, Route, expect

from app.models import DEFAULT_MODEL
from app.studio import Studio
from dalle_core.errors import CheckpointError
from tests.app.test_models import put_model
from tests.app.test_sources import file, picture
from tests.browser.conftest import Visit
from tests.core.published import write_openai_dvae
from tests.fakes import SPEC, FakeModel, FakeReranker, fake_settings, fake_studio

pytestmark = pytest.mark.browser
CARD = """# Mine

<img src=x onerror=alert(1)> **bold** [away](javascript:alert(1))

| a | b |
|---|---|
| 1 | 2 |
"""


def look_at_tokens(page: Page) -> None:
    """What a model that cannot paint makes of a picture."""
    card = page.locator("[data-model=tiny-dvae]")
    expect(card).to_contain_text("Turns pictures into tokens and back")
    expect(card.get_by_role("button", name="Use tiny-dvae")).to_be_hidden()
    card.get_by_role("button", name="Try a picture").click()
    dialog = page.get_by_role("dialog", name="tiny-dvae")
    chosen = {"name": "a.png", "mimeType": "image/png", "buffer": file(picture())}
    dialog.locator("input[type=file]").set_input_files(chosen)  # type: ignore[arg-type]  # a dict of the right shape
    expect(dialog).to_contain_text("4 × 4 tokens of 20 codes")
    expect(dialog.get_by_role("img", name="What its tokens make of it")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()


def test_another_model_is_chosen_while_a_job_waits_and_a_broken_one_changes_nothing(
    tmp_path: Path, serve_studio: Callable[[Studio], str], visit: Callable[[str], Visit]
) -> None:
    settings = fake_settings(tmp_path, models_dir=tmp_path / "models", model=None, open_browser=False)
    for name in (DEFAULT_MODEL, "other", "faulty"):
        put_model(settings.models_dir, name)
    put_model(settings.own_models, "alien", family="alien")
    write_openai_dvae(settings.own_models / "tiny-dvae")
    (settings.models_dir / "other" / "MODEL_CARD.md").write_text(CARD)

    def load(folder: Path, device: object) -> FakeModel:
        if folder.name == "faulty":
            raise CheckpointError("faulty is corrupt")
        styles = ("noto",) if folder.name == DEFAULT_MODEL else ("pixel",)
        spec = replace(SPEC, name=folder.name, sha256=folder.name[0] * 64, styles=styles)
        return FakeModel(spec=spec, step_seconds=0.004)

    studio = Studio(settings, load)
    studio.start()
    visitor = visit(serve_studio(studio))
    page = visitor.open()
    expect(page.get_by_role("button", name="noto", exact=True)).to_be_visible()
    visitor.paint("first", count=6)
    expect(page.locator(".run[aria-label=first]")).to_be_visible()
    visitor.paint("second", count=1)
    expect(page.locator(".queue").filter(visible=True)).to_contain_text("second")
    page.get_by_role("tab", name="Models").click()
    card = page.locator("[data-model=other]")
    expect(page.locator(f"[data-model={DEFAULT_MODEL}]")).to_have_attribute("data-state", "current")
    expect(page.locator("[data-model=alien]")).to_contain_text("unknown family")
    card.get_by_role("button", name="Model card").click()
    text = page.get_by_role("dialog", name="Model card")
    expect(text).to_contain_text("<img src=x onerror=alert(1)>")
    expect(text.locator("td")).to_have_text(["1", "2"])
    assert text.locator("img, a").count() == 0
    violations = Axe().run(page).response["violations"]
    assert [found["id"] for found in violations if found["impact"] in {"serious", "critical"}] == []
    text.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Use faulty for new pictures").click()
    expect(page.locator(".model-note")).to_contain_text("faulty is corrupt")
    card.get_by_role("button", name="Use other for new pictures").click()
    expect(card).to_have_attribute("data-state", "current")
    expect(page.locator(".model-status")).to_contain_text("other is ready")
    page.get_by_role("tab", name="Create").click()
    expect(page.get_by_role("button", name="pixel")).to_be_visible()
    visitor.paint("third", count=1)
    for prompt, model in (("first", DEFAULT_MODEL), ("second", DEFAULT_MODEL), ("third", "other")):
        expect(page.locator(f".run[aria-label={prompt}]")).to_have_attribute("data-status", "done")
        assert {image.model for image in studio.images(prompt, kept_only=False)} == {model}
    page.get_by_role("tab", name="Models").click()
    look_at_tokens(page)
    assert visitor.errors == []


def test_another_reranker_is_chosen_and_one_that_cannot_be_loaded_is_told(
    tmp_path: Path,
    serve_studio: Callable[[Studio], str],
    visit: Callable[[str], Visit],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load_reranker(name: str, folder: Path, device: object) -> FakeReranker:
        if name != "siglip":
            raise CheckpointError(f"The reranker {name} is corrupt.")
        found = FakeReranker()
        found.name = name
        return found

    monkeypatch.setattr("dalle_core.families.rerankers.load_reranker", load_reranker)
    studio = fake_studio(tmp_path, FakeModel(), open_browser=False)
    visitor = visit(serve_studio(studio))
    page = visitor.open()
    page.get_by_role("tab", name="Models").click()
    page.locator(".model").first.wait_for()
    expect(page.locator(".ranker")).to_be_hidden()  # there is nothing to choose from
    for name in ("siglip", "torn"):
        (studio.settings.own_rerankers / name).mkdir(parents=True)
        (studio.settings.own_rerankers / name / "config.json").write_text("{}")
    page.get_by_role("tab", name="Create").click()
    page.get_by_role("tab", name="Models").click()
    ranker = page.get_by_label("Pictures are ranked by")
    expect(ranker.locator("option")).to_have_text(["what suits the model", "siglip", "torn"])
    ranker.select_option("siglip")
    expect(ranker).to_be_enabled()
    ranker.select_option("torn")
    expect(page.locator(".model-note")).to_contain_text("The reranker torn is corrupt.")
    expect(ranker).to_have_value("siglip")
    assert [
        issue for issue in Axe().run(page).response["violations"] if issue["impact"] in {"serious", "critical"}
    ] == []
    page.get_by_role("tab", name="Create").click()
    visitor.paint("a cat", count=2)
    page.locator(".grid.best .tile").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("siglip")
    assert visitor.errors == []


def test_an_answer_that_comes_after_the_news_does_not_take_them_back(
    tmp_path: Path, serve_studio: Callable[[Studio], str], visit: Callable[[str], Visit]
) -> None:
    """A model that cannot be loaded fails before the page has its answer, which says that it is being loaded."""
    settings = fake_settings(tmp_path, models_dir=tmp_path / "models", model=None, open_browser=False)
    for name in (DEFAULT_MODEL, "faulty"):
        put_model(settings.models_dir, name)
    going = threading.Event()

    def load(folder: Path, device: object) -> FakeModel:
        if folder.name == "faulty":
            going.wait(20)
            raise CheckpointError("faulty is corrupt")
        return FakeModel(spec=replace(SPEC, name=folder.name))

    studio = Studio(settings, load)
    studio.start()
    page = visit(serve_studio(studio)).open()
    page.get_by_role("tab", name="Models").click()
    use = page.get_by_role("button", name="Use faulty for new pictures")
    expect(use).to_be_enabled()
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/component_server**", lambda route: held.append((route, route.fetch())))
    use.click()
    while not held:
        page.wait_for_timeout(20)
    assert '"loading":"faulty"' in held[0][1].text().replace(" ", "")
    going.set()
    expect(page.locator(".model-note")).to_contain_text("faulty is corrupt")
    for route, response in held:
        route.fulfill(response=response)
    page.unroute("**/component_server**")
    page.wait_for_timeout(200)  # for what must not happen
    expect(page.locator(".model-note")).to_contain_text("faulty is corrupt")
    expect(use).to_be_enabled()
