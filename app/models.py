"""Which models there are, with the studio and in the data folder, and what is to be known before one is loaded.

Reads configs, headers and cards; loads no weights and imports no torch. Which one new jobs are for is remembered here.
"""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import NotFound
from app.history.files import write_file
from app.settings import Settings, is_model_name
from app.views import ModelStatus, ModelView, readable_size
from dalle_core.checkpoints import read_json
from dalle_core.errors import CheckpointError, DalleError, RequestError
from dalle_core.families.base import Sampling
from dalle_core.families.memory import memory_needs
from dalle_core.families.registry import CONFIG, check_paints, only_tokens, read_spec
from dalle_core.request import GenerationRequest

if TYPE_CHECKING:
    import torch

DEFAULT_MODEL = "emblem-128"
CARD = "MODEL_CARD.md"
MAX_CARD = 256 * 1024
MEBIBYTE = 2**20
OWN_SAMPLING = Sampling(*(getattr(GenerationRequest, setting.name) for setting in fields(Sampling)))
MEMORY_TOLD = Path("/proc/meminfo")  # Linux alone has it

logger = logging.getLogger(__name__)


def folders(settings: Settings) -> tuple[Path, Path]:
    """Where models are looked for, in this order."""
    return settings.models_dir, settings.own_models


def folder_of(settings: Settings, name: str) -> Path:
    """The folder of that name which has a config; where none has, the first place to look."""
    places = [folder / name for folder in folders(settings)]
    return next((place for place in places if (place / CONFIG).is_file()), places[0])


def is_there(settings: Settings, name: str) -> bool:
    return is_model_name(name) and (folder_of(settings, name) / CONFIG).is_file()


def current_name(settings: Settings) -> str:
    """The model asked for at the start, else the one chosen last, if it is still there, else the bundled one."""
    if settings.model is not None:
        return settings.model
    with contextlib.suppress(OSError, ValueError):
        chosen = settings.chosen_model.read_text(encoding="utf-8").strip()
        if is_there(settings, chosen):
            return chosen
    return DEFAULT_MODEL


def suited_sampling(settings: Settings) -> Sampling | None:
    """How the current model's publishers draw from it, where that is not as this project does. Told by its config, so
    that it is known before the model is loaded."""
    with contextlib.suppress(DalleError):  # whoever loads it says what is wrong
        return read_spec(folder_of(settings, current_name(settings))).sampling
    return None


def remember(settings: Settings, name: str) -> None:
    """For the next start. A disk that is full costs only this."""
    with contextlib.suppress(OSError):
        write_file(settings.chosen_model, f"{name}\n".encode())


@dataclass(frozen=True)
class Models:
    """What the studio's pages and commands ask about models. `choose` begins to load one for new jobs."""

    settings: Settings
    status: Callable[[], ModelStatus]
    load: Callable[[str], None]

    def all(self) -> list[ModelView]:
        """Every folder with a config, and those without one that hold weights, by name; each name once."""
        return catalogue(self.settings, self.status())

    def card(self, name: str) -> str:
        """The model's own description, as it was written: foreign text. Raises NotFound, CheckpointError."""
        path = self._folder(name) / CARD
        try:
            with path.open("rb") as file:
                return file.read(MAX_CARD).decode("utf-8", "replace")
        except OSError as error:
            raise NotFound(f"The model {name} has no card.") from error

    def choose(self, name: str) -> None:
        """New jobs are for this model once it is loaded; until then, and if that fails, all stays as it is.

        Raises NotFound and CheckpointError where it cannot be tried.
        """
        check_paints(self._folder(name))
        self.load(name)

    def tokenizer(self, name: str) -> Path:
        """The folder of one that only turns pictures into tokens and back. Raises NotFound, CheckpointError."""
        folder = self._folder(name)
        if not only_tokens(read_spec(folder)):
            raise RequestError(f"{name} paints; choose it and use its bench instead.")
        return folder

    def free_memory(self) -> int | None:
        """Bytes that are free where models are computed, or None where that is not told."""
        return free_memory(self.status().device)

    def _folder(self, name: str) -> Path:
        if not is_there(self.settings, name):
            raise NotFound(f"There is no model {name[:80]!r} here.")
        return folder_of(self.settings, name)


def free_memory(device: str) -> int | None:
    if device.startswith("cuda"):
        import torch  # it was imported when the device was found

        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = MEMORY_TOLD.read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return None


def is_tight(folder: Path, device: str) -> bool:
    """Whether a model is more than the memory that is free, as far as that is known."""
    with contextlib.suppress(CheckpointError):  # whoever loads it says what is wrong
        free = free_memory(device)
        return free is not None and memory_needs(folder, device.partition(":")[0]).whole > free
    return False


def memory_words(settings: Settings, only_where_tight: bool = False) -> str:
    """What the current model will need and what there is, before it is loaded; nothing where either is not known."""
    folder = folder_of(settings, current_name(settings))
    view, free = _view(settings, folder, None), free_memory("cpu")
    if not view.memory or free is None:
        return ""
    words = f"{view.name} needs about {readable_size(view.memory)} of memory; {readable_size(free)} are free."
    if view.memory <= free:
        return "" if only_where_tight else words
    less = _view(replace(settings, low_memory=True), folder, None).memory
    return words if less == view.memory else f"{words} Held sparingly (--low-memory) it needs {readable_size(less)}."


def fitting_device(settings: Settings, folder: Path) -> "torch.device":
    """The one asked for; where none was, the fastest one that the model in `folder` fits."""
    from dalle_core.device import pick_device

    device = pick_device(settings.device)
    if settings.device == "auto" and device.type == "cuda":
        free = free_memory(str(device))
        if free is not None and memory_needs(folder, "cuda", settings.low_memory).whole > free:
            logger.warning("%s does not fit the GPU's free memory; the CPU computes it", folder.name)
            return pick_device("cpu")
    return device


def check_there(settings: Settings, name: str, what: str) -> None:
    """Raises RequestError where the model that something needs is gone. `what` begins the sentence."""
    if not is_there(settings, name):
        raise RequestError(
            f"{what} the model {name[:80]}, which is not here. Put its folder into {settings.own_models}."
        )


def catalogue(settings: Settings, status: ModelStatus | None = None) -> list[ModelView]:
    found: dict[str, ModelView] = {}
    for place in folders(settings):
        for folder in sorted(_candidates(place)):
            if folder.name not in found:
                found[folder.name] = _view(settings, folder, status)
    return sorted(found.values(), key=lambda view: view.name)


def _candidates(place: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [
            folder
            for folder in place.iterdir()
            if folder.is_dir()
            and not folder.name.startswith(".")
            and ((folder / CONFIG).is_file() or any(folder.glob("*.safetensors")))
        ]
    return []


def _view(settings: Settings, folder: Path, status: ModelStatus | None) -> ModelView:
    view = partial(ModelView, folder.name, folder, folder.parent == settings.own_models, _bytes_on_disk(folder))
    has_card = (folder / CARD).is_file()
    try:
        spec = read_spec(folder)
        paints = not only_tokens(spec)
        if paints:
            check_paints(folder)
        needs = memory_needs(folder, _kind(status), settings.low_memory)
    except DalleError as error:
        return view(problem=str(error), has_card=has_card)
    if not is_model_name(folder.name):
        return view(problem="The folder's name holds characters that a model's cannot have.", has_card=has_card)
    return view(spec=spec, parameters=needs.parameters, memory=needs.whole, has_card=has_card, paints=paints)


def _kind(status: ModelStatus | None) -> str:
    return "cpu" if status is None else status.device.partition(":")[0]


def _bytes_on_disk(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def read_through(folder: Path, told: Callable[[float], None]) -> None:
    """Read a model's files once, which tells how far loading is: the disk is what takes the time.

    Raises CheckpointError.
    """
    names = read_json(folder / CONFIG).get("files", {})
    files = [folder / name for name in names if Path(name).name == name]
    try:
        total, done = sum(file.stat().st_size for file in files) or 1, 0
        for file in files:
            with file.open("rb") as handle:
                while data := handle.read(8 * MEBIBYTE):
                    done += len(data)
                    told(done / total)
    except OSError as error:
        raise CheckpointError(f"missing file: {error.filename}") from error
