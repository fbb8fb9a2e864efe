"""The endpoints for programs: gradio_client calls them by name, and with --mcp they are an assistant's tools.

They queue jobs with the studio that the page shows, and wait without holding a thread; a caller that goes away leaves
its job to finish. Answers are plain JSON: a picture is fetched from its `url` with a GET, which needs the client's
cookies where the studio asks for a password. The docstrings are what callers read.
"""

import asyncio
import base64
import binascii
import contextlib
import secrets
from asyncio import to_thread
from collections.abc import Iterator
from typing import Any, TypedDict

import gradio as gr
from gradio.events import api

from app.recipes import request_from_dict
from app.studio import MAX_UPLOAD_BYTES, MORE_LIKE_THIS, Crop, ImageView, JobView, Source, Studio
from app.ui.form import RANDOM_SEEDS
from app.ui.payloads import state_words
from app.ui.routes import ULID
from dalle_core.errors import DalleError, RequestError
from dalle_core.request import GenerationRequest

NAMES = ("generate", "complete", "vary", "rerank", "history_search", "expand_prompt")
MAX_EXPANSIONS = 1000
POLL_SECONDS = 0.1


class Picture(TypedDict):
    """`score` is the match with the words, `percentile` how many random pairs it beats, `reranker` what says so; all
    None where unranked. By their own prompt the bundled model's are ranked by how likely it finds them, too.

    Of a variation without words `score` is the likeness to the picture that was varied, and `percentile` None.
    The top `kept_rows` token rows were given, not painted; a `strength` below 1 is that of a variation.
    """

    id: str
    url: str
    job: str
    prompt: str
    seed: int
    score: float | None
    percentile: float | None
    rank: int | None
    reranker: str | None
    kept: bool
    kept_rows: int
    strength: float
    seconds: float
    created: str


class Expansion(TypedDict):
    count: int
    prompts: list[str]


def add_endpoints(studio: Studio) -> None:
    """Inside a Blocks: these names are public, whatever else the page does is not."""
    endpoints = Endpoints(studio)
    for name in NAMES:
        api(getattr(endpoints, name), api_name=name, concurrency_limit=None)


class Endpoints:
    """Types are what callers are told; what they send is checked all the same."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    async def generate(
        self,
        prompt: str,
        negative_prompt: str = "",
        count: int = 9,
        keep: int = 4,
        seed: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        guidance: float | None = None,
    ) -> list[Picture]:
        """Paint pictures from words and return the best of them, best first. This takes from seconds to minutes.

        Everything painted also goes into the studio's history, the candidates that were not kept too.

        Args:
            prompt: What to paint, in English or Chinese, for example "red apple, noto".
            negative_prompt: What to steer away from.
            count: How many candidates to paint, from 1 to 256.
            keep: How many of the best to keep and return; no more than count.
            seed: The first candidate's seed, each next one's is one more; nothing draws one at random.
            temperature: From 0 to 5. Low is safe, high is adventurous.
            top_k: Choose among this many likeliest tokens only; 0 keeps all.
            top_p: Choose among the likeliest tokens that sum to this share only; 1 keeps all.
            guidance: How closely to follow the words, from 0 to 30; 1 turns it off. Of these four, what is left out
                is as it suits the model.
        Returns:
            A list of pictures; GET a picture's url for its PNG, which carries the recipe to paint it again.
        """
        with _plainly():
            request = read_request(
                self.studio.sampling(),
                prompt=prompt,
                negative_prompt=negative_prompt,
                count=count,
                keep=keep,
                seed=seed,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                guidance_scale=guidance,
            )
            return await self._painted(await to_thread(self.studio.submit, request))

    async def complete(
        self,
        picture: str,
        rows: int,
        prompt: str,
        negative_prompt: str = "",
        count: int = 9,
        keep: int = 4,
        seed: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        guidance: float | None = None,
        letterbox: bool = False,
    ) -> list[Picture]:
        """Keep the top of a picture and paint the rest anew, from words; return the best of what came out, best first.

        The model paints from the top, so only the top can be kept. It sees the picture as image tokens, coarser than
        the picture itself. Everything painted also goes into the studio's history.

        Args:
            picture: The id of a picture in the history, or a PNG or JPEG file in base64.
            rows: How many token rows to keep from the top; at least one, and fewer than the model's pictures have.
            prompt: What the whole picture shows, in English or Chinese.
            negative_prompt: What to steer away from.
            count: How many candidates to paint, from 1 to 256.
            keep: How many of the best to keep and return; no more than count.
            seed: The first candidate's seed, each next one's is one more; nothing draws one at random.
            temperature: From 0 to 5. Low is safe, high is adventurous.
            top_k: Choose among this many likeliest tokens only; 0 keeps all.
            top_p: Choose among the likeliest tokens that sum to this share only; 1 keeps all.
            guidance: How closely to follow the words, from 0 to 30; 1 turns it off. Of these four, what is left out
                is as it suits the model.
            letterbox: Of a picture that is not square, take all, with bars, instead of the square in its middle.
        Returns:
            A list of pictures; GET a picture's url for its PNG, which carries the recipe to paint it again.
        """
        with _plainly():
            _check("rows", rows, int)
            request = read_request(
                self.studio.sampling(),
                prompt=prompt,
                negative_prompt=negative_prompt,
                count=count,
                keep=keep,
                seed=seed,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                guidance_scale=guidance,
            )
            source = await self._source(picture, Crop(letterbox=letterbox is True))
            return await self._painted(await to_thread(self.studio.complete, request, source, rows))

    async def vary(
        self,
        picture: str,
        strength: float = MORE_LIKE_THIS,
        prompt: str = "",
        negative_prompt: str = "",
        count: int = 9,
        keep: int = 4,
        seed: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        guidance: float | None = None,
        letterbox: bool = False,
    ) -> list[Picture]:
        """Paint variations of a picture, with or without words, and return the best of what came out, best first.

        Without words they are ranked by likeness to the picture. The model sees it as image tokens, coarser than the
        picture itself. Everything painted also goes into the studio's history.

        Args:
            picture: The id of a picture in the history, or a PNG or JPEG file in base64.
            strength: How far to go from the picture, from 0.01 to 1: at 0.3 a sibling, at 0.6 a cousin; 1 leaves only
                the words.
            prompt: What the picture shows, or is to turn into, in English or Chinese; may be empty.
            negative_prompt: What to steer away from.
            count: How many candidates to paint, from 1 to 256.
            keep: How many of the best to keep and return; no more than count.
            seed: The first candidate's seed, each next one's is one more; nothing draws one at random.
            temperature: From 0 to 5. Low is safe, high is adventurous.
            top_k: Choose among this many likeliest tokens only; 0 keeps all.
            top_p: Choose among the likeliest tokens that sum to this share only; 1 keeps all.
            guidance: How closely to follow the words, from 0 to 30; 1 turns it off. Of these four, what is left out
                is as it suits the model.
            letterbox: Of a picture that is not square, take all, with bars, instead of the square in its middle.
        Returns:
            A list of pictures; GET a picture's url for its PNG, which carries the recipe to paint it again.
        """
        with _plainly():
            request = read_request(
                self.studio.sampling(),
                prompt=prompt,
                negative_prompt=negative_prompt,
                count=count,
                keep=keep,
                seed=seed,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                guidance_scale=guidance,
                strength=strength,
            )
            source = await self._source(picture, Crop(letterbox=letterbox is True))
            return await self._painted(await to_thread(self.studio.variations.start, request, source))

    async def rerank(self, job: str, text: str = "") -> list[Picture]:
        """Rank the pictures of a finished job by other words, without painting, and return the best, best first.

        What the job keeps changes with it: the studio shows the new order too.

        Args:
            job: The job's id, as pictures have it.
            text: The words to rank by, in English or Chinese; empty goes back to the job's own.
        Returns:
            A list of as many pictures as the job was asked to keep.
        """
        with _plainly():
            _check("job", job, str)
            _check("text", text, str)
            await self._model_there()
            return await self._kept(await to_thread(self.studio.rerank, job, text or None))

    async def history_search(self, text: str = "", limit: int = 20, before: str | None = None) -> list[Picture]:
        """Find pictures painted earlier by the words of their prompts, newest first.

        Args:
            text: Words that the prompt or style must hold, all of them, in English or Chinese; empty finds everything.
            limit: How many pictures to return at most, from 1 to 500.
            before: The id of a picture, to go on with those older than it.
        Returns:
            A list of pictures; GET a picture's url for its PNG.
        """
        with _plainly():
            _check("text", text, str)
            _check("limit", limit, int)
            if before is not None:
                _check("before", before, str)
                await to_thread(self.studio.image, before)
            found = await to_thread(self.studio.images, text, limit, before, kept_only=False)
            return [picture(image) for image in found]

    async def expand_prompt(self, prompt: str, limit: int = 20, first: int = 1) -> Expansion:
        """Count the variations of a prompt template and list some of them; nothing is painted.

        A template offers choices in braces, as in "{red|blue} {cat|dog}", with weights as in "{3::red|blue}", some of
        several as in "{2$$ and $$red|blue|green}", and lines of the studio's text files as in "__animals__". The
        order is always the same, the last choice turning fastest.

        Args:
            prompt: The template, in English or Chinese. A plain prompt has one variation, itself.
            limit: How many variations to list at most, from 0 to 1000.
            first: The number of the first one to list, from 1.
        Returns:
            `count`, how many variations there are in all, and `prompts`, those that were asked for.
        """
        with _plainly():
            _check("prompt", prompt, str)
            _check("limit", limit, int)
            _check("first", first, int)
            if not 0 <= limit <= MAX_EXPANSIONS:
                raise RequestError(f"limit is {limit}; expected a value from 0 to {MAX_EXPANSIONS}.")
            template = await to_thread(self.studio.prompts.read, prompt)
            if not 1 <= first <= template.count:
                raise RequestError(f"first is {first}; expected a value from 1 to {template.count}.")
            numbers = range(first - 1, min(template.count, first - 1 + limit))
            return Expansion(count=template.count, prompts=[template.expansion(number) for number in numbers])

    async def _painted(self, job_id: str) -> list[Picture]:
        """The kept pictures of a job, once it is finished. Raises DalleError where it ends any other way."""
        last: JobView | None = None
        async for view in self.studio.watch(job_id):
            last = view
        if last is None or last.status != "done":
            raise DalleError(state_words(last) if last and last.final else "The studio was closed.")
        return await self._kept(last)

    async def _kept(self, view: JobView) -> list[Picture]:
        kept = [tile.image_id for tile in view.tiles if tile.kept and tile.image_id]
        return [picture(await to_thread(self.studio.image, image_id)) for image_id in kept]

    async def _source(self, given: str, crop: Crop) -> Source:
        _check("picture", given, str)
        if ULID.fullmatch(given):
            await to_thread(self.studio.image, given)  # one that is not there is told before the model is waited for
            await self._model_there()
            return await to_thread(self.studio.prepare_source, image_id=given, crop=crop)
        data = read_base64(given)
        await self._model_there()
        return await to_thread(self.studio.prepare_source, data, crop=crop)

    async def _model_there(self) -> None:
        """Wait until the model is loaded, or could not be, without a thread."""
        while self.studio.model_status().state == "loading":
            await asyncio.sleep(POLL_SECONDS)


def picture(image: ImageView) -> Picture:
    return Picture(
        id=image.id,
        url=f"/media/{image.id}.png",
        job=image.job_id,
        prompt=image.prompt,
        seed=image.seed,
        score=image.score,
        percentile=image.percentile,
        rank=image.rank,
        reranker=image.reranker,
        kept=image.kept,
        kept_rows=image.kept_rows,
        strength=image.request.strength,
        seconds=image.seconds,
        created=image.created.isoformat(),
    )


def read_request(
    sampling: dict[str, Any], *, count: object, keep: object, seed: object, **values: Any
) -> GenerationRequest:
    """Raises RequestError. No more are kept than painted; without a seed one is drawn; `sampling` is what suits."""
    if isinstance(count, int) and isinstance(keep, int):
        keep = min(count, keep)
    drawn = secrets.randbelow(RANDOM_SEEDS) if seed is None else seed
    suited = {name: value for name, value in sampling.items() if values[name] is None}
    return request_from_dict({"count": count, "keep": keep, "seed": drawn, **values, **suited})


def read_base64(text: str) -> bytes:
    """The file in `text`, which may be a data URL. Raises RequestError."""
    encoded = text.partition(";base64,")[2] if text.startswith("data:") else text
    if len(encoded) > 2 * MAX_UPLOAD_BYTES:
        raise RequestError(f"The picture is too large; files of up to {MAX_UPLOAD_BYTES // 2**20} MiB are read.")
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(
            f"The picture is {text!r:.60}; expected the id of one in the history, or a PNG or JPEG file in base64."
        ) from error


def _check(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RequestError(f"{name} is {value!r:.80}; expected {kind.__name__}.")


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """Our errors become the message a caller reads; none of them is a fault to be logged."""
    try:
        yield
    except DalleError as error:
        raise gr.Error(str(error), print_exception=False) from error
