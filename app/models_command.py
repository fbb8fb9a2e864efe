"""Models on the command line: what there is, what can be had, and its fetching. Knows no flags; it is handed values."""

import json
import sys
import threading
from dataclasses import asdict

from app.downloads import Downloads
from app.errors import OutputError
from app.models import catalogue, current_name, free_memory
from app.settings import Settings
from app.views import DownloadView, ModelView, OfferView, printable, readable_size
from dalle_core.errors import RequestError

STEP = 10  # percent between two lines where nobody watches


def print_models(settings: Settings, *, as_json: bool) -> None:
    """What there is to paint with, then what else can be had."""
    current, views = current_name(settings), catalogue(settings)
    if not views and not settings.models_dir.is_dir():
        raise OutputError(f"There is no models folder at {settings.models_dir}.")
    for view in views:
        print(_model_json(view, current) if as_json else _model_line(view, current))
    offers = [offer for offer in Downloads(settings).all() if not offer.there]
    for offer in offers:
        print(_offer_json(offer) if as_json else _offer_line(offer))
    if offers and not as_json:
        _say("To fetch one: python app.py models download NAME")


def _model_line(view: ModelView, current: str) -> str:
    spec = view.spec
    if spec is None:
        return _row(view.name, f"cannot be used: {view.problem}")
    facts = [
        f"{spec.image_size} px",
        ", ".join(spec.languages),
        spec.licence,
        f"{view.parameters / 1e6:.1f} million parameters",
    ]
    if not view.paints:
        return _row(view.name, "turns pictures into tokens and back; paints nothing", *facts[:1], *facts[2:])
    facts += [f"{readable_size(view.memory)} of memory", *(["in use"] if view.name == current else [])]
    return _row(view.name, *facts)


def _row(*columns: str) -> str:
    return "\t".join(map(printable, columns))


def _model_json(view: ModelView, current: str) -> str:
    names = ("name", "own", "bytes_on_disk", "parameters", "memory", "problem", "paints")
    values = {name: getattr(view, name) for name in names} | {"folder": str(view.folder)}
    spec = None if view.spec is None else asdict(view.spec)
    return json.dumps({**values, "current": view.name == current, "spec": spec, "here": True}, ensure_ascii=False)


def _offer_line(offer: OfferView) -> str:
    had = f"{readable_size(offer.fetched)} of it fetched" if offer.fetched else "can be downloaded"
    memory = f"{readable_size(offer.memory.cpu)} of memory"
    return _row(offer.name, had, offer.title, offer.licence, readable_size(offer.size), memory)


def _offer_json(offer: OfferView) -> str:
    names = ("name", "title", "about", "licence", "licence_url", "terms", "size", "room", "fetched")
    told = {name: getattr(offer, name) for name in names} | {"memory": asdict(offer.memory), "here": False}
    return json.dumps(told, ensure_ascii=False)


def download(settings: Settings, name: str, *, accept_licence: bool) -> None:
    """Fetch a public model and print its folder. After Ctrl+C the same command goes on from there."""
    downloads = Downloads(settings)
    offer = downloads.offer(name)
    if offer.there:
        raise RequestError(f"{offer.title} is here already. {_use(settings, offer)}")
    _say(f"{offer.title}. {offer.about}")
    _say(f"About {readable_size(offer.size)} to fetch, {readable_size(offer.room)} of disk while it is converted.")
    _say(_memory(offer))
    _say(f"Licence: {offer.licence}, {offer.licence_url}\n{offer.terms}")
    if not accept_licence:
        _ask(name)
    try:
        print(downloads.run(name, offer.licence, Progress(), threading.Event()))
    except KeyboardInterrupt:
        _say("\nWhat was fetched stays; the same command goes on from there.")
        raise
    _say(_use(settings, offer))


def _memory(offer: OfferView) -> str:
    needs, free = offer.memory, free_memory("cpu")
    told = f"About {readable_size(needs.cpu)} of memory once it is loaded"
    if needs.cuda < needs.cpu:
        told += (
            f"; on a CUDA card {readable_size(needs.cuda)}, on a CPU with --low-memory {readable_size(needs.sparing)}"
        )
    return told + ("." if free is None else f". This machine has {readable_size(free)} free.")


def _use(settings: Settings, offer: OfferView) -> str:
    """What to do with a model once it is here."""
    if offer.ranks:
        return f"It ranks what the models that it suits paint; others with --reranker {offer.name}."
    if any(view.paints for view in catalogue(settings) if view.name == offer.name):
        return f"Paint with it: python app.py --model {offer.name}, or choose it on the Models tab."
    return "The Models tab shows what its tokens make of a picture."


def discard(settings: Settings, name: str) -> None:
    Downloads(settings).discard(name)


def _ask(name: str) -> None:
    """Raises RequestError where the licence is not agreed to, or nobody is there to say so."""
    if not sys.stdin.isatty():
        raise RequestError(
            f"Read the licence, then agree to it with: python app.py models download {name} --accept-licence"
        )
    sys.stderr.write("Type yes to agree to the licence: ")
    if input().strip().lower() not in {"y", "yes"}:
        raise RequestError("The licence was not agreed to; nothing was fetched.")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Progress:
    """Writes how far a download is: over one line on a terminal, else a line every tenth."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._told = -STEP
        self._state = ""

    def __call__(self, view: DownloadView) -> None:
        share = 100 * view.done // view.total if view.total else 0
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{words(view)}" + ("\n" if view.state == "converting" else ""))
            sys.stderr.flush()
        elif share >= self._told + STEP or (view.state != self._state and view.state in {"looking", "converting"}):
            _say(words(view))
            self._told = share
        self._state = view.state


def words(view: DownloadView) -> str:
    """`Fetching: 412 MB of 1.4 GB, 8.1 MB a second, 2 min left`."""
    match view.state:
        case "looking":
            return "Asking what there is"
        case "converting":
            return "Converting"
    parts = [f"{readable_size(view.done)} of {readable_size(view.total)}"]
    if view.speed:
        parts.append(f"{readable_size(round(view.speed))} a second")
    if (left := view.seconds_left) is not None:
        parts.append(f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left")
    return f"{view.state.capitalize()}: {', '.join(parts)}"
