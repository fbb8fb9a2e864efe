"""What each network is trained on: the loss of a step and the held-out figures. Batches are drawn from (seed, step)."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dalle_core.clip import CLIP, contrastive_loss
from dalle_core.dvae import DiscreteVAE
from dalle_core.tokenizers import TextTokenizer
from dalle_core.training.art import ArtSet, Half
from dalle_core.training.compose import Batch, compose
from dalle_core.training.judge import Judge
from dalle_core.training.scenes import Mixture
from dalle_core.training.world import ALONE, World
from dalle_core.transformer import Transformer


class BatchStream:
    """Endless varied batches of a split; step n of epoch e takes its share of a permutation seeded by e.

    In a world of several processes each gets its own part of the batch.
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
    ) -> None:
        self.art = art
        self.size = size
        self.mixture = mixture
        self.recolour = recolour
        self.world = world
        self.train = art.where("train")
        self.heldout = art.heldout(half)

    def at(self, step: int, batch: int, seed: int) -> Batch:
        positions = np.arange(step * batch, (step + 1) * batch)
        rows = np.empty(batch, dtype=np.int64)
        for epoch in np.unique(positions // len(self.train)):
            order = np.random.default_rng((seed, 1, int(epoch))).permutation(self.train)
            here = positions // len(self.train) == epoch
            rows[here] = order[positions[here] % len(self.train)]
        return compose(self.art, rows, self.size, (seed, 2, step), self.mixture, self.recolour, self.world.share(batch))

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


class DVAEObjective:
    """Reconstruct varied pictures through the bottleneck. `steps` is the run's length, for annealing."""

    def __init__(self, model: DiscreteVAE, stream: BatchStream, steps: int) -> None:
        self.model = model
        self.stream = stream
        self.steps = steps
        self.held = [*stream.held(varied=False), *stream.held(varied=True)]

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, float]]:
        images = self.stream.at(step, batch, seed).images.to(self._device)
        self.model.quantizer.anneal(step / self.steps)
        output, _, loss = self.model(images)
        return loss, {"mse": float(F.mse_loss(output.detach(), images))}

    def evaluate(self) -> dict[str, float]:
        whole, inside, losses = [], [], []
        used: set[int] = set()
        for batch in self.held:
            images = batch.images.to(self._device)
            output, tokens, loss = self.model(images)
            losses.append(loss)
            whole.append(psnr(output.clamp(0, 1), images))
            inside.append(psnr(output.clamp(0, 1), images, batch.alpha.to(self._device)))
            used.update(tokens.flatten().tolist())
        return {
            "loss": float(torch.stack(losses).mean()),
            "psnr": float(torch.cat(whole).mean()),
            "psnr_object": float(torch.cat(inside).mean()),
            "codes_used": float(len(used)),
        }

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


class TransformerObjective:
    """Next-token prediction on captions and the tokens of varied pictures, encoded anew at every step."""

    TEXT_WEIGHT, IMAGE_WEIGHT = 1 / 8, 7 / 8  # the paper's (2102.12092, section 2.2)
    UNCONDITIONAL_SHARE = 0.1  # of captions are left out, which is what guidance needs
    BPE_DROPOUT = 0.1

    def __init__(self, model: Transformer, dvae: DiscreteVAE, tokenizer: TextTokenizer, stream: BatchStream,
                 clip: CLIP | None) -> None:  # fmt: skip
        """`clip` is needed by a model that is told sentences."""
        self.model = model
        self.dvae = dvae.eval().requires_grad_(False)
        self.clip = clip.eval().requires_grad_(False) if clip is not None and model.config.sentence else None
        self.tokenizer = tokenizer
        self.stream = stream
        self.held = [*stream.held(varied=False), *stream.held(varied=True)]

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, float]]:
        drawn, first = self.stream.at(step, batch, seed), self.stream.world.share(batch).start
        streams = [np.random.default_rng((seed, 3, step, first + i)) for i in range(len(drawn.captions))]
        pairs = zip(drawn.captions, streams, strict=True)
        captions = ["" if rng.random() < self.UNCONDITIONAL_SHARE else caption for caption, rng in pairs]
        text = torch.tensor([self._encode(caption, rng) for caption, rng in zip(captions, streams, strict=True)])
        shown = torch.from_numpy(np.stack([self._shown(rng) for rng in streams]))
        text_loss, image_loss = self._losses(text, captions, drawn.images, shown)
        total = self.TEXT_WEIGHT * text_loss + self.IMAGE_WEIGHT * image_loss
        return total, {"text": float(text_loss.detach()), "image": float(image_loss.detach())}

    def _encode(self, caption: str, rng: np.random.Generator) -> tuple[int, ...]:
        dropout = self.BPE_DROPOUT if rng.random() < 0.5 else 0.0
        return self.tokenizer.encode_with_dropout(caption, dropout, int(rng.integers(2**31)))

    def _shown(self, rng: np.random.Generator) -> np.ndarray:
        """(N,) bool: all of a picture's tokens, or of a veiled one any share from all to none, and rather few."""
        share = 1.0 if rng.random() >= self.stream.mixture.veiled else rng.random() ** 2
        return rng.random(self.model.config.image_length) < share

    def _sentences(self, captions: list[str], device: torch.device) -> Tensor | None:
        """(B, F) features of the captions, spelt the usual way whatever BPE dropout does to the text."""
        if self.clip is None:
            return None
        return self.clip.encode_texts(self.tokenizer.batch(captions).to(device), self.tokenizer.pad_id)

    def _losses(self, text: Tensor, captions: list[str], images: Tensor,
                shown: Tensor | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
        device = next(self.model.parameters()).device
        text = text.to(device)
        with (
            torch.no_grad(),
            torch.autocast(device.type, enabled=False),
        ):  # codes are rounded: only fp32 gives the true ones
            tokens = self.dvae.encode(images.to(device))
            sentences = self._sentences(captions, device)
        text_nll, image_nll = self.model(text, tokens, sentences, None if shown is None else shown.to(device))
        real = text[:, 1:] != self.tokenizer.pad_id
        words = self.stream.world.mean(real.sum().float()).clamp_min(
            1
        )  # so that each word of the batch counts the same
        return (text_nll * real).sum() / words, image_nll.mean()

    def evaluate(self) -> dict[str, float]:
        pairs = [
            self._losses(self.tokenizer.batch(batch.captions), batch.captions, batch.images) for batch in self.held
        ]
        text, image = (float(torch.stack(part).mean()) for part in zip(*pairs, strict=True))
        return {"loss": image, "text": text, "bits_per_token": image / math.log(2)}


class CLIPObjective:
    """Tell each picture's caption from the others of its batch, and the other way round."""

    def __init__(self, model: CLIP, tokenizer: TextTokenizer, stream: BatchStream) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.stream = stream
        self.held = [*stream.held(varied=False), *stream.held(varied=True)]

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, float]]:
        logits = self._logits(self.stream.at(step, batch, seed), self.stream.world)
        hits = (logits.argmax(1) == torch.arange(len(logits), device=logits.device)).float().mean()
        return contrastive_loss(logits), {"top1": float(hits)}

    def _logits(self, batch: Batch, world: World = ALONE) -> Tensor:
        """Of all pictures and captions in the world, since each is told from all others."""
        device = next(self.model.parameters()).device
        text = self.tokenizer.batch(batch.captions).to(device)
        images, texts, scale = self.model(batch.images.to(device), text, self.tokenizer.pad_id)
        logits: Tensor = scale * world.gather(images) @ world.gather(texts).T
        return logits

    def evaluate(self) -> dict[str, float]:
        logits = [self._logits(batch) for batch in self.held]
        hits = [(part.argmax(1).cpu() == torch.arange(len(part))).float().mean() for part in logits]
        losses = [contrastive_loss(part) for part in logits]
        return {"loss": float(torch.stack(losses).mean()), "top1": float(torch.stack(hits).mean())}


class JudgeObjective:
    """Name the concept of a real picture. The judge grades the generator and is never used to train or rerank it."""

    def __init__(self, model: Judge, stream: BatchStream) -> None:
        self.model = model
        self.stream = stream
        self.held = stream.held(varied=False)

    def loss(self, step: int, batch: int, seed: int) -> tuple[Tensor, dict[str, float]]:
        drawn = self.stream.at(step, batch, seed)
        logits, labels = self._judge(drawn)
        top1 = (logits.argmax(1) == labels).float().mean()
        return F.cross_entropy(logits, labels, label_smoothing=0.1), {"top1": float(top1)}

    def _judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        device = next(self.model.parameters()).device
        concepts = [self.stream.art.rows[i].concept for i in batch.rows]
        labels = torch.tensor([self.model.number[concept] for concept in concepts], device=device)
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
