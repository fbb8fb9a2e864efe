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
    offers = [offer for offer in studio.downloads.all() if not offer.there]
    running = next((offer.name for offer in offers if offer.download and offer.download.running), "")
    return {"offers": [_offer_payload(offer, free) for offer in offers], "running": running}


def _offer_payload(offer: OfferView, free: int) -> Payload:
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
        ],
        "tight": needed > free,
        "fetched": readable_size(offer.fetched) if offer.fetched else "",
        "state": download.state,
        "running": download.running,
        "share": download.done / download.total if download.total else 0,
        "words": _words(download),
        "failure": download.message,
    }


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
