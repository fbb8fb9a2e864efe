"""Public models on the Models tab: what can be had, and how far a download is, in words. No widgets of its own."""

from collections.abc import Callable
from typing import Any

from app.studio import Studio
from app.ui.asked import answer, text
from app.ui.payloads import Payload, time_words
from app.views import DownloadView, OfferView, readable_size


def download_calls(studio: Studio) -> list[Callable[[Any], Any]]:
    """Functions of one JSON value. Each answers `{"error": words}` where it cannot."""
    downloads = studio.downloads

    def list_offers(asked: Any) -> Payload:
        return answer(lambda: offers_payload(studio))

    def start_download(asked: Any) -> Payload:
        name, licence = text(asked, "model") or "", text(asked, "licence") or ""
        return answer(lambda: _after(lambda: downloads.start(name, licence), studio))

    def stop_download(asked: Any) -> Payload:
        return answer(lambda: _after(lambda: downloads.stop(text(asked, "model") or ""), studio))

    def discard_download(asked: Any) -> Payload:
        return answer(lambda: _after(lambda: downloads.discard(text(asked, "model") or ""), studio))

    return [list_offers, start_download, stop_download, discard_download]


def _after(act: Callable[[], None], studio: Studio) -> Payload:
    act()
    return offers_payload(studio)


def offers_payload(studio: Studio) -> Payload:
    """What is not here yet; `running` names the one that is being fetched."""
    free = studio.downloads.free()
    device, memory = studio.model_status().device, studio.models.free_memory()
    offers = [offer for offer in studio.downloads.all() if not offer.there]
    running = next((offer.name for offer in offers if offer.download and offer.download.running), "")
    payloads = [_offer_payload(offer, free, *_memory(offer, device, memory)) for offer in offers]
    return {"offers": payloads, "running": running}


def _offer_payload(offer: OfferView, free: int, memory: str, heavy: bool) -> Payload:
    download = offer.download or DownloadView("stopped")
    needed = max(0, offer.room - offer.fetched)
    left = f"about {readable_size(max(0, offer.size - offer.fetched))} more"
    return {
        "name": offer.name,
        "title": offer.title,
        "about": offer.about,
        "ranks": offer.ranks,
        "licence": {"name": offer.licence, "url": offer.licence_url, "terms": offer.terms},
        "facts": [
            ("Licence", offer.licence),
            ("To fetch", left if offer.fetched and not download.running else f"about {readable_size(offer.size)}"),
            ("Disk", f"about {readable_size(needed)}, {readable_size(free)} free"),
            ("Memory", memory),
        ],
        "tight": needed > free,
        "heavy": heavy,
        "fetched": readable_size(offer.fetched) if offer.fetched else "",
        "state": download.state,
        "running": download.running,
        "share": download.done / download.total if download.total else 0,
        "words": _words(download),
        "failure": download.message,
    }


def _memory(offer: OfferView, device: str, free: int | None) -> tuple[str, bool]:
    """What it would take where models are computed now, and whether that is more than there is.

    On a CPU, one that does not fit is held sparingly, where that helps.
    """
    needs, least = offer.memory.cpu, offer.memory.sparing
    if device.startswith("cuda"):
        needs = least = offer.memory.cuda
    if free is None:
        return f"about {readable_size(needs)}", False
    if least < needs and needs > free:
        words = f"about {readable_size(needs)}, held sparingly {readable_size(least)}, {readable_size(free)} free"
        return words, least > free
    return f"about {readable_size(needs)}, {readable_size(free)} free", needs > free


def _words(view: DownloadView) -> str:
    """What is going on, in facts between dots."""
    match view.state:
        case "looking":
            return "Asking what there is"
        case "checking":
            return "Checking what was fetched"
        case "converting":
            return "Converting, which takes a while"
        case "fetching":
            parts = [f"{readable_size(view.done)} of {readable_size(view.total)}"]
            if view.speed:
                parts.append(f"{readable_size(round(view.speed))} a second")
            return " · ".join([*parts, *([time_words(view.seconds_left)] if view.seconds_left is not None else [])])
    return ""
