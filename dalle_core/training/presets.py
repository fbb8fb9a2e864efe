"""All settings of all runs, in one table. Any field can be overridden by its dotted name."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from dalle_core.config import CLIPConfig, DVAEConfig, OpenAIDVAEConfig, TransformerConfig
from dalle_core.errors import TrainingError
from dalle_core.training.loop import Schedule
from dalle_core.training.scenes import Mixture

STAGES = ("dvae", "clip", "decoder", "transformer", "judge", "grader")
DECODER = Schedule(steps=1300, batch=16, learning_rate=2e-4, warmup=50, cooldown=0.4, weight_decay=0.0,
                   betas=(0.5, 0.9), clip=10.0, ema=0.998, evaluate_every=250)  # fmt: skip


@dataclass(frozen=True)
class Schedules:
    """One schedule for each network that is trained."""

    dvae: Schedule
    transformer: Schedule
    clip: Schedule
    judge: Schedule
    grader: Schedule
    decoder: Schedule = DECODER


@dataclass(frozen=True)
class Preset:
    """`render_size` is the side, in pixels, at which the art is rendered once: twice the model's own is enough.

    A `dvae` of OpenAI's is not trained, but taken from the folder of an image tokenizer.

    The critic is what the dVAE's decoder learns from once its codes are settled: its weight is in shares of what the
    decoder learns without it, its share is how far the decoder that is bundled goes from what it was to what that made
    of it, and for so many steps it learns alone before it is heard.
    """

    name: str
    render_size: int
    captions: int  # how many the tokenizer learns from
    mixture: Mixture
    dvae: DVAEConfig | OpenAIDVAEConfig
    transformer: TransformerConfig
    clip: CLIPConfig
    schedules: Schedules
    critic_width: int = 48
    critic_weight: float = 0.5
    critic_share: float = 0.5
    critic_alone: int = 100

    @property
    def trains_dvae(self) -> bool:
        return isinstance(self.dvae, DVAEConfig)

    @property
    def stages(self) -> tuple[str, ...]:
        """The networks that are trained."""
        return tuple(stage for stage in STAGES if stage not in ("dvae", "decoder") or self.trains_dvae)


EMBLEM_MIXTURE = Mixture(counted=0.12, paired=0.4, backdrop=0.08, recolour=0.25, moved=0.6)
EMBLEM_128 = Schedules(
    dvae=Schedule(steps=10_000, batch=64, learning_rate=1.5e-3, cooldown=0.4, ema=0.998, evaluate_every=500),
    transformer=Schedule(steps=8000, batch=256, learning_rate=1e-3, muon_rate=0.01, warmup=200, cooldown=0.6,
                         betas=(0.9, 0.95), weight_decay=0.1, ema=0.998, evaluate_every=500),
    clip=Schedule(steps=3000, batch=384, learning_rate=1e-3, cooldown=0.6, weight_decay=0.1, ema=0.995,
                  evaluate_every=200),
    judge=Schedule(steps=4000, batch=128, learning_rate=1e-3, weight_decay=0.1, ema=0.995, evaluate_every=200),
    grader=Schedule(steps=1500, batch=96, learning_rate=1e-3, warmup=10, cooldown=0.8, weight_decay=0.1,
                    ema=0.98, evaluate_every=100),
)  # fmt: skip

PRESETS = {
    # Two CPU cores: 50 minutes for the dVAE, 3 hours for the transformer, 40 minutes for CLIP, 10 for the judge.
    "emblem-64": Preset(
        name="emblem-64",
        render_size=128,
        captions=40_000,
        mixture=Mixture(),
        dvae=DVAEConfig(),
        transformer=TransformerConfig(sentence=192, outline=0.3),
        clip=CLIPConfig(dropout=0.3),
        schedules=Schedules(
            dvae=Schedule(steps=2800, learning_rate=1.5e-3, cooldown=0.4, ema=0.997, evaluate_every=200),
            transformer=Schedule(steps=8000, batch=64, learning_rate=1e-3, muon_rate=0.01, cooldown=0.7,
                                 betas=(0.9, 0.95), weight_decay=0.05, ema=0.998, evaluate_every=250, patience=8),
            clip=Schedule(steps=2400, batch=192, learning_rate=1e-3, cooldown=0.6, weight_decay=0.1, ema=0.995,
                          evaluate_every=200),
            judge=Schedule(steps=2000, batch=64, learning_rate=1e-3, weight_decay=0.1, ema=0.995, evaluate_every=200),
            grader=Schedule(steps=500, batch=64, learning_rate=1e-3, warmup=10, cooldown=0.8, weight_decay=0.1,
                            ema=0.98, evaluate_every=100),
        ),
    ),
    # Ten minutes on one H200, by the clock (docs/training.md); on two CPU cores some ten times emblem-64's a picture.
    "emblem-128": Preset(
        name="emblem-128",
        render_size=256,
        captions=60_000,
        mixture=EMBLEM_MIXTURE,
        dvae=DVAEConfig(image_size=128, channels=(96, 256)),
        transformer=TransformerConfig(text_length=32, rows=16, cols=16, layers=8, width=384, heads=6, hidden=1024,
                                      dropout=0.15, sentence=192, phrases=True, outline=0.3),
        clip=CLIPConfig(image_size=128, channels=(64, 128, 192, 256), image_blocks=(1, 1, 1, 1), text_length=32,
                        dropout=0.3),
        schedules=EMBLEM_128,
    ),
    # On the tokens of OpenAI's dVAE (docs/training.md), which is not trained here. Wants a GPU; never run to its end.
    "emblem-256": Preset(
        name="emblem-256",
        render_size=256,
        captions=60_000,
        mixture=EMBLEM_MIXTURE,
        dvae=OpenAIDVAEConfig(),
        transformer=TransformerConfig(text_length=32, rows=32, cols=32, levels=(8192,), layers=8, width=384, heads=6,
                                      hidden=1024, dropout=0.15, sentence=192, phrases=True, outline=0.3),
        clip=CLIPConfig(image_size=256, patch=8, channels=(64, 128, 192, 256), image_blocks=(1, 1, 1, 1),
                        text_length=32, dropout=0.3),
        schedules=replace(EMBLEM_128, dvae=Schedule(steps=0), transformer=replace(EMBLEM_128.transformer, batch=64)),
    ),
    # Seconds: for tests and for a dry run of the very same commands.
    "test": Preset(
        name="test",
        render_size=32,
        captions=500,
        mixture=Mixture(as_drawn=0.2, counted=0.2, paired=0.2, backdrop=0.2),
        dvae=DVAEConfig(image_size=32, channels=(8, 16), encoder_blocks=(1, 1), decoder_blocks=(1, 1),
                        sharpen_channels=8, levels=(5, 4)),
        transformer=TransformerConfig(vocab_size=512, text_length=16, rows=4, cols=4, levels=(5, 4), layers=2, width=32,
                                      heads=2, hidden=64, dropout=0.1, sentence=16, phrases=True, outline=0.5),
        clip=CLIPConfig(image_size=32, channels=(8, 16), image_blocks=(1, 1), vocab_size=512, text_length=16,
                        text_layers=1, text_width=16, text_heads=2, dim=16),
        schedules=Schedules(
            dvae=Schedule(steps=12, batch=4, warmup=2, evaluate_every=6),
            transformer=Schedule(steps=12, batch=4, warmup=2, evaluate_every=6),
            clip=Schedule(steps=12, batch=4, warmup=2, evaluate_every=6),
            judge=Schedule(steps=12, batch=4, warmup=2, evaluate_every=6),
            grader=Schedule(steps=12, batch=4, warmup=2, evaluate_every=6),
            decoder=replace(DECODER, steps=12, batch=4, warmup=2, evaluate_every=6),
        ),
        critic_width=4,
        critic_alone=4,
    ),
}  # fmt: skip


def preset(name: str, overrides: Mapping[str, str] | None = None, published: OpenAIDVAEConfig | None = None) -> Preset:
    """The named preset with some fields replaced: {"schedules.dvae.steps": "400", "transformer.layers": "8"}.

    `published` takes the dVAE's place; the preset must have been made, or overridden, for the tokens of that one.
    """
    if name not in PRESETS:
        raise TrainingError(f"unknown preset {name!r}; expected one of {', '.join(PRESETS)}")
    chosen: Any = PRESETS[name]
    for path, text in (overrides or {}).items():
        chosen = _replaced(chosen, path.split("."), text, path)
    result: Preset = chosen
    if published is not None:
        result = replace(result, dvae=published)
        _check_takes(result, published)
    _check_agreement(result)
    return result


def _check_takes(preset: Preset, published: OpenAIDVAEConfig) -> None:
    """What the preset's own networks have to be for tokens that they cannot choose."""
    transformer, clip = preset.transformer, preset.clip
    levels = ",".join(map(str, published.levels))
    wanted = {
        f"transformer.rows={published.grid}": transformer.rows == published.grid,
        f"transformer.cols={published.grid}": transformer.cols == published.grid,
        f"transformer.levels={levels}": transformer.levels == published.levels,
        f"clip.image_size={published.image_size}": clip.image_size == published.image_size,
    }
    if missing := [setting for setting, agrees in wanted.items() if not agrees]:
        made = "take --preset emblem-256, or " if PRESETS["emblem-256"].dvae == published else ""
        raise TrainingError(
            f"the image tokenizer turns {published.image_size} px into {published.grid} × {published.grid} tokens of "
            f"{published.codebook_size:,} codes, and the networks of {preset.name!r} are made for others; {made}add "
            f"--set {' --set '.join(missing)}"
        )


def _check_agreement(preset: Preset) -> None:
    """What the networks share must be the same in each of them."""
    dvae, transformer, clip = preset.dvae, preset.transformer, preset.clip
    for what, one, other in (
        ("dvae.levels and transformer.levels", dvae.levels, transformer.levels),
        ("the dvae's token grid and transformer.rows, cols", (dvae.grid,) * 2, (transformer.rows, transformer.cols)),
        ("transformer.text_length and clip.text_length", transformer.text_length, clip.text_length),
        ("dvae.image_size and clip.image_size", dvae.image_size, clip.image_size),
        ("transformer.sentence, unless it is 0, and clip.dim", transformer.sentence or clip.dim, clip.dim),
    ):
        if one != other:
            raise TrainingError(f"{what} must be equal, but are {one} and {other}; override both")
    if transformer.phrases and not transformer.sentence:
        raise TrainingError("transformer.phrases wants transformer.sentence: both are features of CLIP's")


def _replaced(target: Any, path: list[str], text: str, whole: str) -> Any:
    names = [field.name for field in fields(target)] if is_dataclass(target) else []
    if path[0] not in names:
        raise TrainingError(f"no setting {whole!r}: {path[0]!r} is not one of {', '.join(names) or 'any field'}")
    old = getattr(target, path[0])
    new = _replaced(old, path[1:], text, whole) if len(path) > 1 else _parsed(old, text, whole)
    return replace(target, **{path[0]: new})


def _parsed(old: Any, text: str, path: str) -> Any:
    try:
        if isinstance(old, tuple):
            return tuple(type(old[0])(part) for part in text.split(","))
        if isinstance(old, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(old, str | int | float):
            return type(old)(text)
    except (ValueError, KeyError) as error:
        raise TrainingError(f"{path}: expected a value like {old!r}, found {text!r}") from error
    raise TrainingError(f"{path} is a group of settings; name one of its fields")
