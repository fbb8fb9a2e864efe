"""What each network is trained on: the loss of a step and the held-out figures. Batches are drawn from (seed, step)."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dalle_core.clip import CLIP, contrastive_loss
from dalle_core.conditioning import Words, features, read
from dalle_core.device import moved
from dalle_core.dvae import DiscreteVAE
from dalle_core.hues import HUES
from dalle_core.openai_dvae import OpenAIDVAE
from dalle_core.tokenizers import TextTokenizer
from dalle_core.training.art import ArtSet, Half
from dalle_core.training.compose import Batch, Draft, compose, draft, painted
from dalle_core.training.glances import with_glances
from dalle_core.training.judge import Judge
from dalle_core.training.naming import UNKNOWN, NamedCLIP, concepts_of, hues_of, in_all_hues, softened
from dalle_core.training.scenes import Mixture, Part
from dalle_core.training.world import ALONE, World
from dalle_core.transformer import Transformer

T = TypeVar("T")


class _Steps(Dataset[T]):
    """The steps of a run: item n is what is drawn for step n."""

    def __init__(self, draw: Callable[[int, int, int], T], batch: int, seed: int) -> None:
        self.draw, self.batch, self.seed = draw, batch, seed

    def __getitem__(self, step: int) -> T:
        return self.draw(step, self.batch, self.seed)


class Ahead(Generic[T]):
    """What `draw(step, batch, seed)` gives, drawn some steps ahead by worker processes; without workers, when asked.

    An accelerator takes a step in less time than one process takes to choose scenes and spell captions. The workers
    are forks of this process and never touch the accelerator.
    """

    def __init__(self, draw: Callable[[int, int, int], T], workers: int = 0) -> None:
        self.draw = draw
        self.workers = workers
        self._expected: tuple[int, int, int] | None = None
        self._drawn: Iterator[T] = iter(())

    def at(self, step: int, batch: int, seed: int) -> T:
        if not self.workers:
            return self.draw(step, batch, seed)
        if self._expected != (step, batch, seed):
            steps = _Steps(self.draw, batch, seed)
            loader = DataLoader(steps, batch_size=None, sampler=itertools.count(step), num_workers=self.workers,
                                prefetch_factor=4, collate_fn=_as_it_is, multiprocessing_context="fork")  # fmt: skip
            self._drawn = iter(loader)
        self._expected = (step + 1, batch, seed)
        return next(self._drawn)


def _as_it_is(drawn: T) -> T:
    return drawn


class BatchStream:
    """Endless varied batches of a split; step n of epoch e takes its share of a permutation seeded by e.

    In a world of several processes each gets its own part of the batch. Pictures are painted where the art lies.
    """

    def __init__(
        self,
        art: ArtSet,
        size: int,
        mixture: Mixture,
        half: Half = "validation",
        *,
        recolour: bool = True,
        world: World = ALONE,
        workers: int = 0,
    ) -> None:
        self.art = art
        self.size = size
        self.mixture = mixture
        self.recolour = recolour
        self.world = world
        self.workers = workers
        self.train = art.where("train")
        self.heldout = art.heldout(half)
        self._drafts = Ahead(self.draft, workers)

    def draft(self, step: int, batch: int, seed: int) -> Draft:
        """What step `step` will show to this process: a pure function of its arguments, as all that is drawn."""
        positions = np.arange(step * batch, (step + 1) * batch)
        rows = np.empty(batch, dtype=np.int64)
        for epoch in np.unique(positions // len(self.train)):
            order = np.random.default_rng((seed, 1, int(epoch))).permutation(self.train)
            here = positions // len(self.train) == epoch
            rows[here] = order[positions[here] % len(self.train)]
        return draft(self.art, rows, (seed, 2, step), self.mixture, self.recolour, self.world.share(batch))

    def at(self, step: int, batch: int, seed: int) -> Batch:
        return self.paint(self._drafts.at(step, batch, seed))

    def paint(self, plan: Draft) -> Batch:
        return painted(self.art, plan, self.size)

    def held(self, varied: bool, batch: int = 64) -> list[Batch]:
        """The half's held-out pictures, plain or varied, in fixed scenes with fixed captions."""
        chunks = np.array_split(self.heldout, max(1, len(self.heldout) // batch))
        mixture = self.mixture if varied else None
        return [compose(self.art, rows, self.size, (7, 7, i), mixture) for i, rows in enumerate(chunks) if len(rows)]


def psnr(output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """(B,) peak signal-to-noise ratio in dB, over all pixels or over those `weight` (B, 1, H, W) marks."""
    error = (output - target) ** 2
    if weight is None:
        return -10 * torch.log10(error.mean(dim=(1, 2, 3)).clamp_min(1e-10))
    mean = (error.mean(1, keepdim=True) * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp_min(1)
    return -10 * torch.log10(mean.clamp_min(1e-10))


def reconstruction(held: list[Batch], rebuild: Callable[[Tensor], Tensor]) -> dict[str, float]:
    """PSNR in dB of what `rebuild` makes of (B, 3, S, S) pictures, of the whole and of the object alone."""
    whole, inside = [], []
    for batch in held:
        output = rebuild(batch.images)
        images, alpha = batch.images.to(output.device), batch.alpha.to(output.device)
        whole.append(psnr(output, images))
        inside.append(psnr(output, images, alpha))
    return {"psnr": float(torch.cat(whole).mean()), "psnr_object": float(torch.cat(inside).mean())}


class DVAEObjective:
    """Reconstruct varied pictures through the bottleneck. `steps` is the run's length, for annealing."""

    def __init__(self, model: DiscreteVAE, stream: BatchStream, steps: int) -> None:
        self.model = model
        self.stream = stream
        self.steps = steps
        self.held = [*stream.held(varied=False), *stream.held(varied=True)]

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        images = self.stream.at(step, batch, seed).images.to(self._device)
        self.model.quantizer.anneal(step / self.steps)
        output, _, loss = self.model(images)
        return loss, {"mse": F.mse_loss(output.detach(), images)}

    def evaluate(self) -> dict[str, float]:
        losses: list[Tensor] = []
        used: set[int] = set()

        def rebuild(images: Tensor) -> Tensor:
            output, tokens, loss = self.model(images.to(self._device))
            losses.append(loss)
            used.update(tokens.flatten().tolist())
            rebuilt: Tensor = output.clamp(0, 1)
            return rebuilt

        fidelity = reconstruction(self.held, rebuild)
        return {"loss": float(torch.stack(losses).mean()), **fidelity, "codes_used": float(len(used))}

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


@dataclass(frozen=True)
class Lesson:
    """One batch of text and pictures: (B, T) ids as the transformer reads them, perhaps in more pieces than need be;
    the same captions as CLIP reads them; (B, N) which image tokens later ones may see.
    """

    plan: Draft
    text: np.ndarray
    words: Words
    shown: np.ndarray


class TransformerObjective:
    """Next-token prediction on captions and the tokens of varied pictures, encoded anew at every step."""

    TEXT_WEIGHT, IMAGE_WEIGHT = 1 / 8, 7 / 8  # the paper's (2102.12092, section 2.2)
    UNCONDITIONAL_SHARE = 0.1  # of captions are left out, which is what guidance needs
    BPE_DROPOUT = 0.1
    UNPLACED_SHARE = 0.15  # of captions are not told where things stand, as a prompt that cannot be read is not

    def __init__(self, model: Transformer, dvae: DiscreteVAE | OpenAIDVAE, tokenizer: TextTokenizer,
                 stream: BatchStream, clip: CLIP | None) -> None:  # fmt: skip
        """`clip` is needed by a model that is told sentences."""
        self.model = model
        self.dvae = dvae.eval().requires_grad_(False)
        self.clip = clip.eval().requires_grad_(False) if clip is not None and model.config.sentence else None
        self.tokenizer = tokenizer
        self.stream = stream
        self.held = [*stream.held(varied=False), *stream.held(varied=True)]
        self._lessons = Ahead(self._lesson, stream.workers)

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        lesson = self._lessons.at(step, batch, seed)
        images = self.stream.paint(lesson.plan).images
        text_loss, image_loss = self._losses(lesson.text, lesson.words, images, torch.from_numpy(lesson.shown))
        total = self.TEXT_WEIGHT * text_loss + self.IMAGE_WEIGHT * image_loss
        return total, {"text": text_loss.detach(), "image": image_loss.detach()}

    def _lesson(self, step: int, batch: int, seed: int) -> Lesson:
        plan, first = self.stream.draft(step, batch, seed), self.stream.world.share(batch).start
        streams = [np.random.default_rng((seed, 3, step, first + i)) for i in range(len(plan.captions))]
        pairs = zip(plan.captions, streams, strict=True)
        captions = ["" if rng.random() < self.UNCONDITIONAL_SHARE else caption for caption, rng in pairs]
        text = np.array([self._encode(caption, rng) for caption, rng in zip(captions, streams, strict=True)])
        words = read(captions, self.tokenizer, self.model.config)
        words.owners[[rng.random() < self.UNPLACED_SHARE for rng in streams]] = 0
        return Lesson(plan, text, words, np.stack([self._shown(rng) for rng in streams]))

    def _encode(self, caption: str, rng: np.random.Generator) -> tuple[int, ...]:
        dropout = self.BPE_DROPOUT if rng.random() < 0.5 else 0.0
        return self.tokenizer.encode_with_dropout(caption, dropout, int(rng.integers(2**31)))

    def _shown(self, rng: np.random.Generator) -> np.ndarray:
        """(N,) bool: all of a picture's tokens, or of a veiled one any share from all to none, and rather few."""
        share = 1.0 if rng.random() >= self.stream.mixture.veiled else rng.random() ** 2
        return rng.random(self.model.config.image_length) < share

    def _losses(self, text_ids: np.ndarray, words: Words, images: Tensor,
                shown: Tensor | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
        device = next(self.model.parameters()).device
        text = moved(torch.from_numpy(text_ids), device)
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            tokens = self.dvae.encode(images.to(device))  # codes are rounded: bf16 would give others
            sentences, phrases = self._features(words)
        shown = None if shown is None else moved(shown, device)
        text_nll, image_nll = self.model(text, tokens, sentences, shown, phrases)
        real = text[:, 1:] != self.tokenizer.pad_id
        count = self.stream.world.mean(real.sum().float()).clamp_min(1)  # each word of the batch counts the same
        return (text_nll * real).sum() / count, image_nll.mean()

    def _features(self, words: Words) -> tuple[Tensor | None, Tensor | None]:
        return features(words, self.clip, self.tokenizer.pad_id, self.model.config) if self.clip else (None, None)

    def evaluate(self) -> dict[str, float]:
        texts = [read(batch.captions, self.tokenizer, self.model.config) for batch in self.held]
        pairs = [self._losses(words.whole, words, batch.images) for words, batch in zip(texts, self.held, strict=True)]
        text, image = (float(torch.stack(part).mean()) for part in zip(*pairs, strict=True))
        return {"loss": image, "text": text, "bits_per_token": image / math.log(2)}


class CLIPObjective:
    """Tell each picture's caption from the others of its batch, and the other way round; what it shows from all that
    there is in the art; and its colour from others.

    Of most pictures of several icons but one icon is seen, as the reranker looks at them.
    """

    GLANCES = 0.6
    CAPTIONS_WEIGHT, HUES_WEIGHT = 0.5, 0.3  # beside names
    HUED = 0.4  # of the pictures of a known colour are asked for it

    def __init__(self, model: NamedCLIP, tokenizer: TextTokenizer, stream: BatchStream) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.stream = stream
        self.held = [*stream.held(varied=False), *stream.held(varied=True)]

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        world, art = self.stream.world, self.stream.art
        first, drawn = world.share(batch).start, self.stream.at(step, batch, seed)
        drawn, parts = with_glances(art, drawn, self.GLANCES, (seed, 6, step), first)
        streams = [np.random.default_rng((seed, 9, step, first + i)) for i in range(len(parts))]
        drawn = replace(drawn, images=softened(drawn.images, streams))
        logits, images = self._compared(drawn, world)
        concepts, hues = concepts_of(art, parts), hues_of(art, parts)
        hues[[rng.random() >= self.HUED for rng in streams]] = UNKNOWN
        hits = (logits.argmax(1) == torch.arange(len(logits), device=logits.device)).float().mean()
        loss = self.CAPTIONS_WEIGHT * contrastive_loss(logits) + self._naming(images, concepts, world)
        loss = loss + self.HUES_WEIGHT * self._colours(images, hues, parts, world)
        return loss, {"top1": hits}

    def _compared(self, batch: Batch, world: World = ALONE) -> tuple[Tensor, Tensor]:
        """Logits of all pictures and captions in the world, since each is told from all others; and the features of
        this process's pictures.
        """
        text = self.tokenizer.batch(batch.captions).to(self._device)
        images, texts, scale = self.model(batch.images.to(self._device), text, self.tokenizer.pad_id)
        logits: Tensor = scale * world.gather(images) @ world.gather(texts).T
        return logits, images

    def _naming(self, images: Tensor, concepts: Tensor, world: World = ALONE) -> Tensor:
        return _share_of_mean(self.model.name(images), concepts, world, label_smoothing=0.1)

    def _colours(self, images: Tensor, hues: Tensor, parts: list[Part | None], world: World) -> Tensor:
        """How well the hue of each is told, of all texts that name the same thing in some hue."""
        asked = (hues != UNKNOWN).nonzero().flatten().tolist()
        logits = images.new_zeros(0, len(HUES))
        if asked:
            rows = [self.stream.art.rows[part.row] for i in asked if (part := parts[i])]
            text = self.tokenizer.batch([text for row in rows for text in in_all_hues(row)]).to(self._device)
            texts = self.model.encode_texts(text, self.tokenizer.pad_id).view(len(asked), len(HUES), -1)
            logits = self.model.scale * torch.einsum("nd,nhd->nh", images[asked], texts)
        return _share_of_mean(logits, hues[asked], world)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def evaluate(self) -> dict[str, float]:
        art = self.stream.art
        losses, hits, named = list[Tensor](), list[Tensor](), list[Tensor]()
        for batch in self.held:
            logits, images = self._compared(batch)
            concepts = concepts_of(art, with_glances(art, batch, 0.0, (0,), 0)[1])
            losses.append(self.CAPTIONS_WEIGHT * contrastive_loss(logits) + self._naming(images, concepts))
            hits.append((logits.argmax(1).cpu() == torch.arange(len(logits))).float().mean())
            named.append((self.model.name(images).argmax(1).cpu() == concepts)[concepts != UNKNOWN].float())
        figures = {"loss": torch.stack(losses), "top1": torch.stack(hits), "named": torch.cat(named)}
        return {name: float(values.mean()) for name, values in figures.items() if len(values)}


def _share_of_mean(logits: Tensor, labels: Tensor, world: World, label_smoothing: float = 0.0) -> Tensor:
    """This process's share of the mean cross-entropy of all that have a label, in the world."""
    labels = moved(labels, logits.device)
    total = F.cross_entropy(logits, labels, ignore_index=UNKNOWN, reduction="sum", label_smoothing=label_smoothing)
    return total / world.mean((labels != UNKNOWN).sum().float()).clamp_min(1 / world.size)


class JudgeObjective:
    """Name the concept of a real picture. The judge grades the generator and is never used to train or rerank it."""

    def __init__(self, model: Judge, stream: BatchStream) -> None:
        self.model = model
        self.stream = stream
        self.held = stream.held(varied=False)

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        drawn = self.stream.at(step, batch, seed)
        logits, labels = self._judge(drawn)
        top1 = (logits.argmax(1) == labels).float().mean()
        return F.cross_entropy(logits, labels, label_smoothing=0.1), {"top1": top1}

    def _judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        device = next(self.model.parameters()).device
        concepts = [self.stream.art.rows[i].concept for i in batch.rows]
        labels = moved(torch.tensor([self.model.number[concept] for concept in concepts]), device)
        return self.model(batch.images.to(device)), labels

    def evaluate(self) -> dict[str, float]:
        parts = [self._judge(batch) for batch in self.held]
        logits, labels = (torch.cat(part) for part in zip(*parts, strict=True))
        top5 = (logits.topk(5, dim=1).indices == labels[:, None]).any(1)
        return {
            "loss": float(F.cross_entropy(logits, labels)),
            "top1": float((logits.argmax(1) == labels).float().mean()),
            "top5": float(top5.float().mean()),
        }
