"""The rooms of a training project: where art, runs and finished parts lie, and how each network is built and loaded.

Knows the order of the stages: art → text → dvae, clip → decoder, transformer, with judge → grader beside them.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from dalle_core.checkpoints import read_json, sha256_of, sha256_of_weights, write_json
from dalle_core.config import DVAEConfig
from dalle_core.dvae import DiscreteVAE
from dalle_core.errors import TrainingError
from dalle_core.families.openai_dvae import OpenAITokenizer, load_openai_dvae
from dalle_core.tokenizers import TextTokenizer, train_tokenizer
from dalle_core.training.art import ArtSet, Half, load_art
from dalle_core.training.compose import stage
from dalle_core.training.critic import CriticisedDVAE
from dalle_core.training.decoding import DecoderObjective
from dalle_core.training.grader import MIXTURE, Grader, GraderObjective
from dalle_core.training.judge import Judge
from dalle_core.training.loop import Objective, Progress, Run
from dalle_core.training.naming import NamedCLIP
from dalle_core.training.objectives import (
    BatchStream,
    CLIPObjective,
    DVAEObjective,
    JudgeObjective,
    TransformerObjective,
)
from dalle_core.training.presets import Preset
from dalle_core.training.scenes import Mixture
from dalle_core.training.world import ALONE, World
from dalle_core.transformer import Transformer


@dataclass
class Workshop:
    """One preset on one folder of art, in one folder of runs."""

    preset: Preset
    art_folder: Path
    runs: Path
    device: torch.device
    precision: str = "fp32"
    world: World = ALONE
    workers: int = 0  # processes that choose what the next steps show
    image_tokenizer: Path | None = None  # folder of a published one, where the preset's dVAE is not to be trained

    @property
    def folder(self) -> Path:
        return self.runs / self.preset.name

    @cached_property
    def art(self) -> ArtSet:
        return load_art(self.art_folder)

    @cached_property
    def _canvas(self) -> ArtSet:
        """The art where training paints with it."""
        return self.art.to(self.device) if self.device.type == "cuda" else self.art

    # --- text ---

    def train_text(self) -> TextTokenizer:
        """Learn the tokenizer on captions drawn the way training draws them."""
        art, preset = self.art, self.preset
        rows, rng = art.where("train"), np.random.default_rng((0, 5))
        drawn = (int(rows[i % len(rows)]) for i in range(preset.captions))
        texts = (stage(art, row, rng, preset.mixture)[1] for row in drawn)
        tokenizer = train_tokenizer(texts, preset.transformer.vocab_size, preset.transformer.text_length)
        self.folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save(self.folder / "tokenizer.json")
        return tokenizer

    def tokenizer(self) -> TextTokenizer:
        path = self.folder / "tokenizer.json"
        if not path.exists():
            raise TrainingError("no tokenizer yet; run first: python -m dalle_core.training text")
        return TextTokenizer.load(path, self.preset.transformer.text_length)

    # --- networks ---

    def build(self, stage: str) -> nn.Module:
        """The stage's network with fresh weights, drawn from the schedule's seed."""
        torch.manual_seed(getattr(self.preset.schedules, stage).seed)
        builders: dict[str, Callable[[], nn.Module]] = {
            "dvae": self._dvae,
            "transformer": lambda: Transformer(replace(self.preset.transformer, vocab_size=self._vocab_size())),
            "clip": self._clip,
            "decoder": self._criticised,
            "judge": self._judge,
            "grader": self._grader,
        }
        return builders[stage]()

    def _dvae(self) -> DiscreteVAE:
        assert isinstance(self.preset.dvae, DVAEConfig)
        return DiscreteVAE(self.preset.dvae).to(memory_format=torch.channels_last)

    def _criticised(self) -> CriticisedDVAE:
        assert isinstance(self.preset.dvae, DVAEConfig)
        return CriticisedDVAE(self.preset.dvae, self.preset.critic_width).to(memory_format=torch.channels_last)

    def _clip(self) -> NamedCLIP:
        config = replace(self.preset.clip, vocab_size=self._vocab_size())
        return NamedCLIP(config, len(self.art.concepts))

    def _vocab_size(self) -> int:
        return self.tokenizer().vocab_size

    def _judge(self) -> Judge:
        return Judge((row.concept for row in self.art.rows if row.curated), self.preset.dvae.image_size)

    def _grader(self) -> Grader:
        art = [row for row in self.art.rows if row.curated]
        return Grader((row.concept for row in art), (row.style for row in art), self.preset.dvae.image_size)

    def trained(self, stage: str) -> nn.Module:
        """The stage's network with its best averaged weights; a published dVAE as it is."""
        if stage == "dvae" and not self.preset.trains_dvae:
            return self.published.dvae
        path = self.folder / stage / "best.pt"
        if not path.exists():
            raise TrainingError(f"{stage} is not trained yet; run first: python -m dalle_core.training {stage}")
        self.check_inputs(stage)
        network = self.build(stage)
        weights = torch.load(path, map_location="cpu", weights_only=True)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise TrainingError(f"{path} does not fit the preset: {str(error)[:300]}") from error
        return network.eval().requires_grad_(False).to(self.device)

    def finished_dvae(self) -> nn.Module:
        """The dVAE; if its decoder went on learning from a critic, with one on the way from what it was to what that
        made of it (WiSE-FT; Wortsman et al., 2109.01903). The codes are the same.
        """
        dvae = self.trained("dvae")
        if not (self.folder / "decoder" / "best.pt").exists():
            return dvae
        learned, way = self.trained("decoder").state_dict(), self.preset.critic_share
        for name, weights in cast(DiscreteVAE, dvae).decoder.named_parameters():
            weights.lerp_(learned[f"decoder.{name}"], way)
        return dvae

    @cached_property
    def published(self) -> OpenAITokenizer:
        """The image tokenizer that takes the place of a dVAE of one's own."""
        return load_openai_dvae(self.published_folder, self.device)

    @property
    def published_folder(self) -> Path:
        if self.image_tokenizer is None:
            raise TrainingError(
                f"{self.preset.name} learns the tokens of a published dVAE; say where its folder is, with "
                "--image-tokenizer FOLDER (python app.py models download openai-dvae fetches one)"
            )
        return self.image_tokenizer

    # --- what a run was made from ---

    def inputs(self, stage: str) -> dict[str, str]:
        """Hashes of what the stage's weights depend on: the pictures and their split, the tokenizer, the dVAE."""
        pictures = "".join(f"{row.name} {row.split} {row.curated}\n" for row in self.art.rows)
        found = {"art": hashlib.sha256(pictures.encode()).hexdigest()}
        if stage in ("transformer", "clip"):
            self.tokenizer()
            found["tokenizer"] = sha256_of(self.folder / "tokenizer.json")
        for part in self._parts(stage):
            found[part] = self._hash(part)
        return found

    def _hash(self, part: str) -> str:
        if part == "dvae" and not self.preset.trains_dvae:
            return self.published.spec.sha256
        relied = self._relied_upon(part, self.trained(part))
        if not relied:
            return sha256_of(self.folder / part / "best.pt")
        return hashlib.sha256("".join(map(sha256_of_weights, relied)).encode()).hexdigest()

    def _relied_upon(self, stage: str, network: Any) -> tuple[nn.Module, ...]:
        """What the transformer knows of another network, and what must stay as it is where both are taken up again: a
        dVAE's codes, while its decoder learns on, and what CLIP makes of texts, towards which its image encoder then
        learns (LiT; Zhai et al., 2111.07991).
        """
        if stage == "dvae":
            return network.encoder, network.quantizer
        return (network.text_encoder,) if stage == "clip" and self.preset.transformer.sentence else ()

    def _parts(self, stage: str) -> tuple[str, ...]:
        """The networks that a stage's own is trained upon."""
        told = ("clip",) if self.preset.transformer.sentence else ()
        parts: dict[str, tuple[str, ...]] = {
            "decoder": ("dvae", "clip"),
            "transformer": ("dvae", *told),
            "grader": ("judge",),
        }
        return parts.get(stage, ())

    def check_inputs(self, stage: str) -> None:
        """Write down what a new run is made from; refuse one that was made from something else."""
        path, found = self.folder / stage / "inputs.json", self.inputs(stage)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            return write_json(path, found)
        recorded = read_json(path)
        if changed := sorted(name for name in found if recorded.get(name) != found[name]):
            raise TrainingError(
                f"{path.parent} was trained on another {' and '.join(changed)} than there is now. "
                f"Train it anew in another --runs folder, or delete {path.parent}."
            )
        return None

    # --- training ---

    def stream(self, half: Half = "validation") -> BatchStream:
        return self._stream(self.preset.mixture, half)

    def judged_stream(self, half: Half = "validation") -> BatchStream:
        """What the judge sees: one icon at a time, never recoloured, since a red heart turned blue is no red heart."""
        return self._stream(replace(self.preset.mixture, counted=0.0, paired=0.0), half, recolour=False)

    def graded_stream(self) -> BatchStream:
        """What the grader sees, whatever the preset's generator does."""
        return self._stream(MIXTURE)

    def _stream(self, mixture: Mixture, half: Half = "validation", *, recolour: bool = True) -> BatchStream:
        return BatchStream(self._canvas, self.preset.dvae.image_size, mixture, half, recolour=recolour,
                           world=self.world, workers=self.workers)  # fmt: skip

    def objective(self, stage: str) -> Objective:
        stream = self.judged_stream() if stage == "judge" else self.stream()
        network: Any = self.build(stage)
        if (self.folder / stage / "start.pt").exists():
            for part in self._relied_upon(stage, network):
                part.requires_grad_(False)
        if stage == "dvae":
            return DVAEObjective(network, stream, self.preset.schedules.dvae.steps)
        if stage == "judge":
            return JudgeObjective(network, stream)
        if stage == "grader":
            network.judge.load_state_dict(self.trained("judge").state_dict())
            return GraderObjective(network, self.graded_stream())
        if stage == "clip":
            return CLIPObjective(network, self.tokenizer(), stream)
        parts: dict[str, Any] = {part: self.trained(part) for part in self._parts(stage)}
        if stage == "decoder":
            network.load_state_dict({**network.state_dict(), **parts["dvae"].state_dict()})
            preset = self.preset
            return DecoderObjective(network, parts["clip"], stream, preset.critic_weight, preset.critic_alone)
        return TransformerObjective(network, parts["dvae"], self.tokenizer(), stream, parts.get("clip"))

    def train(self, stage: str, until: int | None = None) -> Progress:
        if stage not in self.preset.stages:
            raise TrainingError(f"the {stage} is published and taken as it is; train the transformer on its tokens")
        schedule = getattr(self.preset.schedules, stage)
        self.check_inputs(stage)
        run = Run(self.folder / stage, self.objective(stage), schedule, self.device, self.precision, self.world)
        return run.train(until)
