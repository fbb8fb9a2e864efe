"""From what the widgets hold to one validated request, and back. The widgets' order is written down here only.

A request knows more than the form shows. When an earlier one is restored, the rest of it stays beside the form, visible
in a line of words, until the artist forgets it.
"""

import math
import secrets
from dataclasses import asdict, replace
from typing import Any

from app.recipes import request_from_dict
from app.views import ModelStatus
from dalle_core.errors import RequestError
from dalle_core.request import MAX_FIRST_SEED, GenerationRequest, OutOfRange, even_width

FIELDS = ("prompt", "negative_prompt", "count", "keep", "seed", "temperature", "top_k", "top_p", "guidance_scale")
RANDOM_SEEDS = 2**32
SEED_DIGITS = 20  # that are looked at
LABELS = {
    "count": "Candidates",
    "keep": "Keep best",
    "seed": "Seed",
    "temperature": "Temperature",
    "top_k": "Top-k",
    "top_p": "Top-p",
    "guidance_scale": "Guidance",
    "strength": "Strength",
}


def read_form(*values: object, strength: float = 1.0) -> GenerationRequest:
    """The request the form asks for; an empty seed is drawn at random. Raises RequestError, by the widgets' labels."""
    form = dict(zip(FIELDS, values, strict=True))
    try:
        return _request(form, strength)
    except OutOfRange as error:
        raise RequestError(str(error).replace(error.name, LABELS[error.name], 1)) from error


def _request(form: dict[str, object], strength: float) -> GenerationRequest:
    count = _whole("count", form["count"])
    return GenerationRequest(
        prompt=_text(form["prompt"]),
        negative_prompt=_text(form["negative_prompt"]),
        count=count,
        keep=min(count, _whole("keep", form["keep"])),
        seed=_seed(form["seed"]),
        temperature=_number("temperature", form["temperature"]),
        top_k=_whole("top_k", form["top_k"]),
        top_p=_number("top_p", form["top_p"]),
        guidance_scale=_number("guidance_scale", form["guidance_scale"]),
        strength=strength,
    )


def form_values(request: GenerationRequest, seed: int) -> tuple[object, ...]:
    """What the widgets show for `request`, with the seed of one of its candidates."""
    return tuple(str(seed) if name == "seed" else getattr(request, name) for name in FIELDS)


def restored(request: GenerationRequest, model_sha256: str | None = None, fits: bool = True) -> dict[str, Any] | None:
    """What stays beside the form: all of an earlier request, and words for what the form does not show of it.

    Its given tokens are of the model with this hash; unless they fit the one that is open, they stay behind.
    """
    parts, left = [], []
    if request.prefix_tokens and fits:
        parts.append("the given top of the picture")
    elif request.prefix_tokens:
        left.append("Not restored: the given top of the picture, which is tokens of another version of the model.")
    if request.source_tokens and fits:
        parts.append(f"the picture it varies, strength {request.strength:.0%}")
    elif request.source_tokens:
        left.append("Not restored: the picture it varies, which is in tokens of another version of the model.")
    if not fits:
        request = replace(request, prefix_tokens=(), source_tokens=())
    if request.batch_width != even_width(request.count) or request.slot:
        parts.append(f"a batch width of {request.batch_width}, as long as there are {request.count} candidates")
    if request.rerank_text:
        parts.append(f"ranking by “{request.rerank_text}”")
    words = [*([f"Also restored: {'; '.join(parts)}."] if parts else []), *left]
    beside = {"request": asdict(request), "model_sha256": model_sha256, "words": " · ".join(words)}
    return beside if words else None


def with_restored(request: GenerationRequest, beside: object) -> tuple[GenerationRequest, str | None]:
    """The form's request, with what came along from an earlier one, and the hash of the model of its given tokens.

    Raises RecipeError, RequestError.
    """
    values = beside.get("request") if isinstance(beside, dict) else None
    if not isinstance(beside, dict) or not isinstance(values, dict):
        return request, None
    earlier, model_sha256 = request_from_dict(values), beside.get("model_sha256")
    along: dict[str, Any] = {"prefix_tokens": earlier.prefix_tokens, "rerank_text": earlier.rerank_text}
    if earlier.source_tokens:
        names = ("source_tokens", "strength", "strength_version")
        along |= {name: getattr(earlier, name) for name in names}
    if earlier.count == request.count:
        along |= {"batch_width": earlier.batch_width, "slot": earlier.slot}
    return replace(request, **along), model_sha256 if isinstance(model_sha256, str) else None


def tokens_fit(model_sha256: str | None, status: ModelStatus) -> bool:
    """Whether tokens of the model with this hash mean the same to the one that is open, as far as is known."""
    return status.spec is None or model_sha256 in {None, status.spec.sha256}


def _seed(value: object) -> int:
    """Typed as text, so that a seed of any size stays exact and an empty one means random."""
    text = _text(value)
    if not text:
        return secrets.randbelow(RANDOM_SEEDS)
    if text.isascii() and text.isdigit() and len(text) <= SEED_DIGITS and int(text) <= MAX_FIRST_SEED:
        return int(text)
    shown = text if len(text) <= SEED_DIGITS else f"{text[:SEED_DIGITS]}…"
    raise RequestError(
        f"Seed is “{shown}”; it needs a whole number from 0 to {MAX_FIRST_SEED}, or nothing for a random one."
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RequestError(f"{LABELS[name]} needs a number.")
    return float(value)


def _whole(name: str, value: object) -> int:
    number = _number(name, value)
    if number != int(number):
        raise RequestError(f"{LABELS[name]} is {number:g}; it needs a whole number.")
    return int(number)
