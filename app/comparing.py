"""What two pictures' recipes say differently, in words. Knows rows, no pixels."""

from dataclasses import fields

from app.gallery_views import Difference
from app.history import ImageRow
from dalle_core.request import GenerationRequest

NAMES = {
    "prompt": "Prompt",
    "negative_prompt": "Without",
    "temperature": "Temperature",
    "top_k": "Top-k",
    "top_p": "Top-p",
    "guidance_scale": "Guidance",
    "count": "Candidates",
    "batch_width": "Batch width",
    "source_tokens": "Original's tokens",
    "strength": "Strength",
    "strength_version": "Strength's scale",
}
ELSEWHERE = frozenset({"seed", "keep", "slot", "rerank_text", "prefix_tokens"})  # told otherwise, or of the job alone
NOTHING = "–"


def differences(first: ImageRow, second: ImageRow) -> tuple[Difference, ...]:
    """In the order in which a picture's settings are shown anywhere; empty where the two were made alike."""
    ours, theirs = _facts(first), _facts(second)
    names = dict.fromkeys([*ours, *theirs])
    rows = [Difference(name, ours.get(name, NOTHING), theirs.get(name, NOTHING)) for name in names]
    return tuple(row for row in rows if row.first != row.second) + _tokens(first, second)


def _facts(row: ImageRow) -> dict[str, str]:
    facts = {
        "Prompt": row.prompt,
        "Seed": str(row.seed),
        "Kind": row.kind,
        "Style": row.style,
        "Model": row.model,
        "Weights": (row.model_sha256 or "")[:10],
        "Kept rows": str(row.kept_rows or ""),
        "Kept tokens": _digest(row.request.prefix_tokens),
        **_settings(row.request),
        "Size": f"{row.width} × {row.height}",
        "Score": "" if row.score is None else f"{row.score:.2f}",
    }
    painted = {"Prompt", "Kind", "Size"} if not row.tokens else facts.keys()
    return {name: value for name, value in facts.items() if value and name in painted}


def _settings(request: GenerationRequest) -> dict[str, str]:
    """Every setting of a request. One that is new and has no name here is a KeyError: it would be in English only."""
    names = [field.name for field in fields(request) if field.name not in ELSEWHERE]
    return {NAMES[name]: _text(getattr(request, name)) for name in names}


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return _digest(value)
    return "" if value is None else str(value)


def _digest(values: tuple[int, ...]) -> str:
    """Long lists of numbers are the same or not; nobody reads them."""
    return f"{len(values)} ({', '.join(map(str, values[:4]))}, …)" if values else ""


def _tokens(first: ImageRow, second: ImageRow) -> tuple[Difference, ...]:
    if not first.tokens or len(first.tokens) != len(second.tokens):
        return ()
    differ = sum(a != b for a, b in zip(first.tokens, second.tokens, strict=True))
    share = f"{differ} of {len(first.tokens)} differ"
    return (Difference("Tokens", share, share),) if differ else ()
