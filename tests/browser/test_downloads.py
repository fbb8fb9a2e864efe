"""A public model from a hub on this machine, in a real browser: its licence, its way here, and its own settings."""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.downloads import Downloads
from app.models import DEFAULT_MODEL
from app.studio import Studio
from dalle_core import hub
from dalle_core.families.base import Sampling
from dalle_core.families.catalogue import OFFERS
from dalle_core.hub import Hub
from dalle_core.request import GenerationRequest
from tests.app.test_models import put_model
from tests.browser.conftest import Visit
from tests.fakehub import FakeHub
from tests.fakes import SPEC, FakeModel, fake_settings

pytestmark = pytest.mark.browser
NAME = "dalle-mini"
SUITED = Sampling(temperature=1.0, top_k=256, guidance_scale=16.0)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Files of the published names, without meaning, that take a second or two."""
    monkeypatch.setattr(hub, "PIECE", 4096)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    published = tmp_path / "published"
    published.mkdir()
    for name in (file for source in OFFERS[NAME].sources for file in source.files):
        (published / name).write_bytes(os.urandom(200_000 if name.endswith(".pt") else 1000))
    fake = FakeHub()
    fake.publish(OFFERS[NAME], published)
    yield fake
    fake.close()


def load(folder: Path, device: object) -> FakeModel:
    sampling = SUITED if folder.name == NAME else None
    return FakeModel(spec=replace(SPEC, name=folder.name, sha256=folder.name[0] * 64, sampling=sampling))


def settings_of(page: Page, tab: str) -> list[str]:
    """Of sampling, in one tab's form: guidance, temperature, top-k."""
    page.get_by_role("tab", name=tab, exact=True).click()
    drawer = page.locator(".drawer").filter(visible=True)
    if not drawer.get_by_label("number input for Guidance").is_visible():
        drawer.get_by_role("button", name="Fine tuning").click()
    return [
        drawer.get_by_label(f"number input for {name}").input_value() for name in ("Guidance", "Temperature", "Top-k")
    ]


def test_a_model_is_agreed_to_fetched_stopped_resumed_and_used(
    tmp_path: Path,
    fake: FakeHub,
    serve_studio: Callable[[Studio], str],
    visit: Callable[[str], Visit],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.models.free_memory", lambda device: 1_500_000_000)
    settings = fake_settings(tmp_path, models_dir=tmp_path / "models", model=None, open_browser=False)
    put_model(settings.models_dir, DEFAULT_MODEL)
    studio = Studio(settings, load)

    def convert(name: str, source: Path, target: Path) -> None:
        put_model(target.parent, name, sampling=asdict(SUITED))

    studio.downloads = Downloads(settings, Hub(fake.url), convert=convert)
    studio.start()
    visitor = visit(serve_studio(studio))
    page = visitor.open()
    assert settings_of(page, "Create") == [f"{GenerationRequest.guidance_scale:g}", "0.6", "0"]
    page.get_by_role("tab", name="Models").click()
    card = page.locator(f"[data-offer={NAME}]")
    card.get_by_role("button", name="Download DALL·E mini").click()
    agreement = page.get_by_role("dialog", name="DALL·E mini")
    expect(agreement).to_contain_text("Apache-2.0")
    for place in (card, agreement):
        expect(place).to_contain_text("about 3.1 GB, held sparingly 2.0 GB, 1.5 GB free")
        expect(place.locator(".problem", has_text="This may be more than the memory")).to_be_visible()
    expect(page.locator("[data-offer=clip-vit-base-patch32]")).not_to_contain_text("This may be more")
    expect(agreement.get_by_role("link", name="Read the whole licence")).to_have_attribute(
        "href", "https://www.apache.org/licenses/LICENSE-2.0"
    )
    violations = Axe().run(page).response["violations"]
    assert [found["id"] for found in violations if found["impact"] in {"serious", "critical"}] == []
    agreement.get_by_role("button", name="Cancel").click()
    assert fake.asked == [], "nothing before the licence is agreed to"
    fake.seconds_a_piece = 0.15
    card.get_by_role("button", name="Download DALL·E mini").click()
    agreement.get_by_role("button", name="Agree and download").click()
    expect(card.locator(".offer-progress")).to_contain_text(" of 603 kB")
    expect(page.get_by_role("button", name="Download DALL·E Mega")).to_be_disabled()
    violations = Axe().run(page).response["violations"]
    assert [found["id"] for found in violations if found["impact"] in {"serious", "critical"}] == []
    page.get_by_role("tab", name="Create").click()
    visitor.paint("meanwhile", count=1)
    expect(page.locator(".run[aria-label=meanwhile]")).to_have_attribute("data-status", "done")
    page.get_by_role("tab", name="Models").click()
    card.get_by_role("button", name="Stop the download of DALL·E mini").click()
    expect(card.locator(".offer-progress")).to_contain_text("of it are here")
    fake.seconds_a_piece = 0
    card.get_by_role("button", name="Go on with the download of DALL·E mini").click()
    agreement.get_by_role("button", name="Agree and download").click()
    model = page.locator(f"[data-model={NAME}]")
    expect(model).to_be_visible()
    expect(page.locator(".toast")).to_contain_text("DALL·E mini is here and can be used.")
    expect(card).to_have_count(0)
    model.get_by_role("button", name=f"Use {NAME} for new pictures").click()
    expect(model).to_have_attribute("data-state", "current")
    for tab in ("Create", "Variations"):
        assert settings_of(page, tab) == ["16", "1", "256"]
    page.reload()
    settings_of(page, "Create")  # which opens the drawer
    expect(page.get_by_label("number input for Guidance").filter(visible=True)).to_have_value("16")
    visitor.paint("with its own settings", count=1)
    expect(page.locator(".run[aria-label='with its own settings']")).to_contain_text("guidance 16")
    assert (visitor.errors, visitor.strays) == ([], [])
