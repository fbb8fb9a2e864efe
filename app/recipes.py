"""The recipe inside a PNG: what is needed to paint it again, as one versioned JSON chunk, and as text for other tools.

Requests go to and from plain JSON here and nowhere else. Knows nothing of the history or of tensors.
"""

import hashlib
import io
import json
import struct
import warnings
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from app.errors import NoRecipe, RecipeError
from dalle_core.errors import RequestError
from dalle_core.request import GenerationRequest

CHUNK = "dalle-studio"
VERSION = 1
MAX_FILE_BYTES = 64 * 2**20
MAX_TOKENS = 2**16
MAX_TOKEN = 2**32 - 1
MAX_PARENTS = 64
MAX_NAME = 200
PER_JOB = frozenset({"seed", "count", "keep", "batch_width", "slot", "rerank_text"})  # same picture, another draw


@dataclass(frozen=True)
class Recipe:
    """How one picture was made. `request` is its whole job's; `index` and `seed` say which candidate it is.

    Floating point depends on the batch's width, so `request.batch_width` is part of the recipe. `tokens` are the
    picture's own, rows · cols of them in raster order; `parents` are ids of the pictures it came from.
    """

    request: GenerationRequest
    index: int
    seed: int
    model: str
    model_sha256: str
    tokens: tuple[int, ...]
    parents: tuple[str, ...] = ()
    app_version: str = ""

    @property
    def single(self) -> GenerationRequest:
        """The request that paints this picture alone."""
        slot = self.index % self.request.batch_width if self.request.count > 1 else self.request.slot
        return replace(self.request, seed=self.seed, count=1, keep=1, slot=slot)


def plain_recipe(title: str) -> Recipe:
    """What stands for the recipe of a picture from elsewhere, of which nothing is known but a title."""
    request = GenerationRequest(title, count=1, keep=1, guidance_scale=1.0)
    return Recipe(request, index=0, seed=0, model="", model_sha256="", tokens=())


def request_to_json(request: GenerationRequest) -> str:
    return json.dumps(asdict(request), ensure_ascii=False)


def request_from_json(text: str) -> GenerationRequest:
    """Raises RecipeError where a field is unknown or of the wrong type, RequestError where a value is out of range."""
    return request_from_dict(_object("request", _parse(text)))


def request_from_dict(values: dict[str, Any]) -> GenerationRequest:
    known = {setting.name: setting for setting in fields(GenerationRequest)}
    if unknown := sorted(values.keys() - known.keys()):
        raise RecipeError(f"The request has unknown fields {unknown}; expected some of {sorted(known)}.")
    if "prompt" not in values:
        raise RecipeError("The request has no prompt.")
    hints = get_type_hints(GenerationRequest)
    request = GenerationRequest(**{name: _typed(name, value, hints[name]) for name, value in values.items()})
    if request.varies and "strength_version" not in values:
        return replace(request, strength_version=1)  # it is from before there was a second
    return request


def stack_key(request_json: str, model: str) -> str:
    """The same for pictures that are alike but for the seed: of one model, by requests that ask for the same.

    What a request leaves at its default does not count, so that a setting which is new tells nothing apart.
    """
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(request_json).items()
    }
    defaults = {setting.name: setting.default for setting in fields(GenerationRequest)}
    asked = {name: value for name, value in values.items() if name not in PER_JOB and value != defaults.get(name)}
    key = json.dumps([model, sorted(asked.items())])
    return hashlib.blake2b(key.encode(), digest_size=12).hexdigest()


def to_json(recipe: Recipe) -> str:
    return json.dumps(
        {
            "version": VERSION,
            "app": recipe.app_version,
            "model": {"name": recipe.model, "sha256": recipe.model_sha256},
            "request": asdict(recipe.request),
            "candidate": {"index": recipe.index, "seed": recipe.seed},
            "tokens": recipe.tokens,
            "parents": recipe.parents,
        },
        ensure_ascii=False,
    )


def from_json(text: str) -> Recipe:
    """Raises RecipeError, naming what was expected and what was found."""
    values = _object("recipe", _parse(text))
    version = _typed("version", values.get("version"), int)
    if version > VERSION:
        raise RecipeError(f"This picture is from a newer Dalle Studio (recipe {version}, this one reads {VERSION}).")
    model = _object("model", values.get("model"))
    candidate = _object("candidate", values.get("candidate"))
    try:
        request = request_from_dict(_object("request", values.get("request")))
        recipe = Recipe(
            request=request,
            index=_typed("index", candidate.get("index"), int),
            seed=_typed("seed", candidate.get("seed"), int),
            model=_name("model name", model.get("name")),
            model_sha256=_name("model sha256", model.get("sha256")),
            tokens=_tokens(values.get("tokens")),
            parents=_list("parents", values.get("parents", []), str, MAX_PARENTS),
            app_version=_name("app", values.get("app", "")),
        )
        if request.seeds[recipe.index : recipe.index + 1] != (recipe.seed,):
            raise RecipeError(f"Candidate {recipe.index} with seed {recipe.seed} is none of the recipe's request.")
    except RequestError as error:
        raise RecipeError(f"The recipe in this picture cannot be used. {error}") from error
    return recipe


def parameters(recipe: Recipe, width: int, height: int) -> str:
    """The text that other image tools show and parse; `width` and `height` in pixels."""
    request = recipe.request
    lines = [" ".join(request.prompt.split())]
    if request.negative_prompt:
        lines.append("Negative prompt: " + " ".join(request.negative_prompt.split()))
    settings = {
        "Steps": len(recipe.tokens),
        "Sampler": "Autoregressive",
        "CFG scale": f"{request.guidance_scale:g}",
        "Seed": recipe.seed,
        "Size": f"{width}x{height}",
        "Model hash": recipe.model_sha256[:10],
        "Model": recipe.model,
        "Temperature": f"{request.temperature:g}",
        "Top K": request.top_k,
        "Top P": f"{request.top_p:g}",
        "Batch width": request.batch_width,
        "Version": f"Dalle Studio {recipe.app_version}",
    }
    if request.varies:
        settings["Denoising strength"] = f"{request.strength:g}"  # what other tools call it
    return "\n".join([*lines, ", ".join(f"{name}: {value}" for name, value in settings.items())])


def to_png(image: Image.Image, recipe: Recipe) -> bytes:
    """`image` as a PNG that carries `recipe`."""
    chunks = PngInfo()
    chunks.add_itxt(CHUNK, to_json(recipe))
    chunks.add_text("parameters", parameters(recipe, image.width, image.height))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def read_recipe(source: Path | bytes) -> Recipe:
    """The recipe in a PNG of ours, its pixels never decoded. Raises RecipeError."""
    return from_json(_read_chunk(_read_bytes(source)))


def _read_bytes(source: Path | bytes) -> bytes:
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > MAX_FILE_BYTES:
            raise RecipeError(f"This file has {size} bytes; pictures of up to {MAX_FILE_BYTES} are read.")
        return source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise RecipeError(f"The picture cannot be read: {error.strerror or error}.") from error


def _read_chunk(data: bytes) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # only the header and its texts are read
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                text = image.info.get(CHUNK)
    except UnidentifiedImageError as error:
        raise RecipeError("This file is not a PNG picture; only PNG files carry recipes.") from error
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise RecipeError("This PNG is damaged; its recipe cannot be read.") from error
    if not isinstance(text, str):
        raise NoRecipe("This picture carries no Dalle Studio recipe. Programs that re-save pictures often drop it.")
    return text


def _parse(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RecipeError("The recipe in this picture is damaged: it is not valid JSON.") from error


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _object(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RecipeError(f"The {name} is {type(value).__name__}; expected an object.")
    return value


def _list(name: str, value: object, kind: type, most: int) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) > most:
        raise RecipeError(f"The {name} must be a list of at most {most}.")
    return tuple(_typed(name, item, kind) for item in value)


def _tokens(value: object) -> tuple[int, ...]:
    tokens: tuple[int, ...] = _list("tokens", value, int, MAX_TOKENS)
    if tokens and not 0 <= min(tokens) <= max(tokens) <= MAX_TOKEN:
        raise RecipeError(f"The tokens reach from {min(tokens)} to {max(tokens)}; expected 0 to {MAX_TOKEN}.")
    return tokens


def _name(name: str, value: object) -> str:
    """A short text that can be stored: JSON may hold halves of characters, which are no text."""
    text: str = _typed(name, value, str)
    if len(text) > MAX_NAME or any("\ud800" <= character <= "\udfff" or character == "\0" for character in text):
        raise RecipeError(f"{name} is {text!r:.80}; expected a text of at most {MAX_NAME} characters.")
    return text


def _typed(name: str, value: object, kind: object) -> Any:
    """`value`, once it is of `kind`: str, int, float (an int will do), str | None or tuple[int, ...]."""
    if kind == tuple[int, ...]:
        return _list(name, list(value) if isinstance(value, tuple) else value, int, MAX_TOKENS)
    if kind == str | None and value is None:
        return None
    wanted = {int: (int,), float: (int, float)}.get(kind, (str,))  # type: ignore[call-overload]
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise RecipeError(f"{name} is {value!r:.80}; expected {' or '.join(t.__name__ for t in wanted)}.")
    return value
