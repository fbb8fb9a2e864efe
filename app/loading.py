"""The models in memory: the one that new jobs are for, and beside it, for a while, the one that an older job needs.

All but `status`, `choose` and `loaded` is for the thread that owns them. One that cannot be loaded changes nothing.
"""

import contextlib
import gc
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import explain
from app.models import check_there, current_name, fitting_device, folder_of, read_through, remember, suited_sampling
from app.ranking import chosen_reranker, give_chosen, give_reranker, has_come, remember_reranker
from app.settings import Settings
from app.views import ModelStatus
from dalle_core.errors import CheckpointError, DalleError

if TYPE_CHECKING:
    import torch

    from dalle_core.families.base import ImageModel, Reranker

LoadModel = Callable[[Path, "torch.device"], "ImageModel"]

logger = logging.getLogger(__name__)


class Loader:
    def __init__(self, settings: Settings, load_model: LoadModel, ring: Callable[[], None]) -> None:
        self.settings = settings
        name, suited = current_name(settings), suited_sampling(settings)
        self.status = ModelStatus("loading", name, "The model is loading.", None, settings.device, sampling=suited)
        self._load_model = load_model
        self._ring = ring
        self.ranker = chosen_reranker(settings)  # what all models rank by; empty for what suits each
        self._lock = threading.Lock()
        self._models: dict[str, ImageModel] = {}
        self._devices: dict[str, torch.device] = {}
        self._own: dict[str, Reranker | None] = {}  # what models came with
        self._unranked: set[str] = set()  # those whose reranker was not here
        self._wanted: str | None = None

    def choose(self, name: str) -> None:
        """Have `name` loaded for new jobs, at the owner's next `follow_choice`. Any thread may ask."""
        with self._lock:
            self._wanted = name
        self._tell(loading=name if name != self.status.name else "", share=0.0, message="")

    @property
    def current(self) -> "ImageModel | None":
        return self._models.get(self.status.name)

    def loaded(self, name: str) -> "ImageModel | None":
        """The model of that name, if it is in memory. Any thread may ask."""
        return self._models.get(name)

    def start(self) -> None:
        """Load the model that new jobs are for."""
        self._tell(state="loading", message="The model is loading.", share=0.0)
        try:
            model = self._load(self.status.name)
        except Exception as error:
            logger.exception("the model cannot be loaded")
            self._tell(state="failed", message=explain(error))
        else:
            self._become(self.status.name, model)

    def follow_choice(self) -> None:
        """Load what was chosen since, if anything was. All stays as it is where that fails."""
        if self._wanted is None:
            return None
        with self._lock:
            name, self._wanted = self._wanted, None
        if name is None or (name == self.status.name and self.current is not None):
            return self._tell(loading="")
        self._tell(loading=name, share=0.0)
        try:
            model = self._models.get(name) or self._load(name)
        except Exception as error:
            logger.exception("the model %s cannot be loaded", name)
            self._tell(loading="", failed=name, message=f"{name} could not be loaded. {explain(error)}")
        else:
            remember(self.settings, name)
            self._become(name, model)

    def get(self, name: str) -> "ImageModel":
        """The model of that name for a job, loaded if need be; of the others only the current one stays.

        Raises RequestError where it is not here, CheckpointError.
        """
        if name == self.status.name:
            if self.current is None:
                self.start()
            if (model := self.current) is None:
                raise CheckpointError(self.status.message)
            return model
        if name not in self._models:
            check_there(self.settings, name, "This job is for")
            self.keep_only(self.status.name)
            self._tell(loading=name, share=0.0)
            try:
                self._models[name] = self._load(name)
            except DalleError:
                raise
            except Exception as error:
                logger.exception("the model %s cannot be loaded", name)
                raise CheckpointError(f"{name} could not be loaded. {explain(error)}") from error
            finally:
                self._tell(loading="")
        return self._models[name]

    def rank_by(self, name: str) -> None:
        """Have all models in memory, and those to come, rank by this reranker; empty for what suits each.

        Raises CheckpointError, and then all stays as it is.
        """
        before = {known: getattr(model, "reranker", None) for known, model in self._models.items()}
        earlier, self.ranker = self.ranker, name
        try:
            for known, model in self._models.items():
                self._rank(known, model)
        except Exception:
            self.ranker = earlier
            for known, reranker in before.items():
                self._models[known].reranker = reranker  # type: ignore[attr-defined]
            raise
        remember_reranker(self.settings, name)

    def _rank(self, name: str, model: "ImageModel") -> None:
        """Give a model what it ranks by, whatever it had."""
        model.reranker = self._own[name]  # type: ignore[attr-defined]
        give_reranker(model, replace(self.settings, reranker=self.ranker), self._devices[name])
        self._note_ranking(name, model)

    def _note_ranking(self, name: str, model: "ImageModel") -> None:
        self._unranked.discard(name)
        if model.spec.reranker and not getattr(model, "reranker", None):
            self._unranked.add(name)

    def rank_by_what_came(self) -> None:
        """Where the reranker that suits the model in use was fetched since that was loaded, have it rank by it."""
        model, name = self.current, self.status.name
        if model is None or name not in self._unranked or not has_come(self.settings, model.spec.reranker):
            return
        self._unranked.discard(name)
        try:
            give_reranker(model, replace(self.settings, reranker=self.ranker), self._devices[name])
        except Exception:  # the model goes on without
            logger.exception("the reranker %s cannot be loaded", model.spec.reranker)

    def keep_only(self, *names: str) -> None:
        """Let go of the other models' memory."""
        gone = self._models.keys() - set(names)
        for name in gone:
            del self._models[name], self._own[name]
        if gone:
            release_memory()

    def _load(self, name: str) -> "ImageModel":
        folder = folder_of(self.settings, name)
        device = fitting_device(self.settings, folder)
        with contextlib.suppress(CheckpointError):  # whoever loads it says better what is missing
            read_through(folder, lambda share: self._tell(share=share))
        model = self._load_model(folder, device)
        self._devices[name], self._own[name] = device, getattr(model, "reranker", None)
        self.ranker = give_chosen(model, self.settings, device, self.ranker)
        self._note_ranking(name, model)
        self._tell(device=str(device))
        return model

    def _become(self, name: str, model: "ImageModel") -> None:
        self._models[name] = model
        told = {"spec": model.spec, "sampling": model.spec.sampling, "share": 1.0}
        self._tell(state="ready", name=name, message="", loading="", failed="", **told)

    def _tell(self, **values: object) -> None:
        with self._lock:
            self.status = replace(self.status, **values)  # type: ignore[arg-type]
        self._ring()


def release_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
