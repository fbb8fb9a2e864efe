"""The endpoints for programs, called as programs call them."""

import asyncio
import base64
import io
from dataclasses import replace
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError, AuthenticationError
from PIL import Image

from app.recipes import read_recipe
from app.ui.api import Endpoints, Picture
from dalle_core.families.base import Sampling
from tests.app.conftest import OpenPage, StartStudio, wait_until
from tests.fakes import QUICK_SPEC, FakeModel

NAMES = {"/generate", "/complete", "/vary", "/rerank", "/history_search", "/expand_prompt"}
UNKNOWN = "01" + "A" * 24
PICTURE = set(Picture.__annotations__)


@pytest.fixture(scope="module")
def client(page: OpenPage) -> Client:
    return Client(page.url, verbose=False)


@pytest.fixture
def slow(page: OpenPage) -> Any:
    page.model.step_seconds = 0.02
    yield page.model
    page.model.step_seconds = 0.0


def paint(client: Client, prompt: str = "red apple", **values: Any) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = client.predict(
        prompt=prompt, **{"count": 3, "keep": 2, "seed": 5, **values}, api_name="/generate"
    )
    return answer


def test_only_the_named_endpoints_are_public_and_each_says_what_it_does(client: Client) -> None:
    api = client.view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == NAMES
    assert api["unnamed_endpoints"] == {}
    for endpoint in api["named_endpoints"].values():
        assert len(endpoint["description"]) > 40
    (prompt, *others) = api["named_endpoints"]["/generate"]["parameters"]
    assert not prompt["parameter_has_default"]
    assert all(parameter["parameter_has_default"] for parameter in others)


def test_pictures_come_back_best_first_and_are_fetched_from_their_address(page: OpenPage, client: Client) -> None:
    pictures = paint(client)
    assert [picture["rank"] for picture in pictures] == [1, 2]
    assert all(set(picture) == PICTURE for picture in pictures)
    assert {picture["seed"] for picture in pictures} < {5, 6, 7}
    png = httpx.get(page.url.rstrip("/") + pictures[0]["url"]).content
    recipe = read_recipe(png)
    assert (recipe.seed, recipe.request.prompt) == (pictures[0]["seed"], "red apple")


def test_what_a_program_paints_is_in_the_page_s_history(page: OpenPage, client: Client) -> None:
    pictures = paint(client, "a quiet harbour")
    assert page.studio.job(pictures[0]["job"]).status == "done"
    assert {picture["id"] for picture in pictures} == {
        image.id for image in page.studio.images("harbour", kept_only=True)
    }


def test_without_a_seed_one_is_drawn_and_no_more_are_kept_than_painted(client: Client) -> None:
    first, second = (paint(client, count=1, keep=4, seed=None) for _ in range(2))
    assert len(first) == len(second) == 1
    assert first[0]["seed"] != second[0]["seed"]


def test_what_a_program_leaves_out_is_as_it_suits_the_model(start_studio: StartStudio) -> None:
    suited = Sampling(temperature=1.0, top_k=256, guidance_scale=16.0)
    studio = start_studio(FakeModel(spec=replace(QUICK_SPEC, sampling=suited)))
    wait_until(lambda: studio.model_status().state == "ready")
    endpoints = Endpoints(studio)
    few: dict[str, Any] = {"count": 1, "keep": 1}
    for painting in (
        endpoints.generate("red apple", **few, guidance=2.0),
        endpoints.complete(file(), 2, "red apple", **few, guidance=2.0),
        endpoints.vary(file(), prompt="red apple", **few, guidance=2.0),
    ):
        (made,) = asyncio.run(painting)
        asked = studio.image(made["id"]).request
        assert (asked.temperature, asked.top_k, asked.top_p, asked.guidance_scale) == (1.0, 256, 1.0, 2.0)


def complete(client: Client, picture: str, rows: int = 2, **values: Any) -> list[dict[str, Any]]:
    asked = {"prompt": "red apple", "count": 2, "keep": 1, "seed": 9, **values}
    answer: list[dict[str, Any]] = client.predict(picture=picture, rows=rows, **asked, api_name="/complete")
    return answer


def file(side: tuple[int, int] = (80, 80), kind: str = "PNG") -> str:
    """A blue picture in base64."""
    buffer = io.BytesIO()
    Image.new("RGB", side, (0, 0, 255)).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


def test_a_picture_of_the_history_is_completed_and_its_rows_come_back_unchanged(page: OpenPage, client: Client) -> None:
    source = paint(client)[0]
    (picture,) = complete(client, source["id"], rows=3)
    assert picture["kept_rows"] == 3
    given, painted = (read_recipe(page.studio.image_path(each["id"])).tokens for each in (source, picture))
    assert painted[: 3 * QUICK_SPEC.cols] == given[: 3 * QUICK_SPEC.cols]
    assert page.studio.job(picture["job"]).source_id == source["id"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_file_is_completed(page: OpenPage, client: Client, kind: str) -> None:
    (picture,) = complete(client, file(kind=kind))
    with Image.open(page.studio.image_path(picture["id"])) as image:
        assert image.getpixel((1, 1)) == (0, 0, 255)
    assert complete(client, f"data:image/{kind.lower()};base64,{file(kind=kind)}")


def test_of_a_wide_file_the_middle_is_taken_or_all(page: OpenPage, client: Client) -> None:
    buffer, wide = io.BytesIO(), Image.new("RGB", (90, 30), (255, 0, 0))
    wide.paste((0, 0, 255), (30, 0, 60, 30))
    wide.save(buffer, "PNG")
    for letterbox in (False, True):
        (picture,) = complete(client, base64.b64encode(buffer.getvalue()).decode(), rows=2, letterbox=letterbox)
        with Image.open(page.studio.image_path(picture["id"])) as image:
            assert (image.getpixel((1, 20)) == (0, 0, 255)) is not letterbox


@pytest.mark.parametrize(
    ("picture", "values", "words"),
    [
        (UNKNOWN, {}, "no picture"),
        ("../../etc/passwd", {}, "expected the id"),
        ("", {}, "empty"),
        ("aGVsbG8=", {}, "picture"),
        (5, {}, "picture is 5"),
        ({"path": "x"}, {}, "picture is {"),
        (file(), {"rows": 0}, "0 rows"),
        (file(), {"rows": 99}, "99 rows"),
        (file(), {"rows": "2"}, "rows is '2'"),
        (file(), {"prompt": ""}, "prompt is empty"),
        (file()[:60], {}, "picture"),
    ],
)
def test_bad_completions_are_told_what_is_wrong_and_queue_nothing(
    page: OpenPage, client: Client, picture: Any, values: dict[str, Any], words: str
) -> None:
    before = jobs(page)
    with pytest.raises(AppError) as told:
        complete(client, picture, **values)
    assert words in str(told.value)
    assert jobs(page) == before


def vary(client: Client, picture: str, **values: Any) -> list[dict[str, Any]]:
    asked = {"count": 2, "keep": 1, "seed": 9, **values}
    answer: list[dict[str, Any]] = client.predict(picture=picture, **asked, api_name="/vary")
    return answer


def test_a_picture_of_the_history_is_varied(page: OpenPage, client: Client) -> None:
    source = paint(client)[0]
    (picture,) = vary(client, source["id"], strength=0.2, prompt="red apple")
    assert (picture["strength"], source["strength"]) == (0.2, 1.0)
    job = page.studio.job(picture["job"])
    assert (job.kind, job.source_id) == ("variation", source["id"])


def test_a_file_is_varied_without_words_and_ranked_by_likeness(page: OpenPage, client: Client) -> None:
    (picture,) = vary(client, file(), strength=0.02)
    assert (picture["prompt"], picture["percentile"], picture["rank"]) == ("", None, 1)
    assert picture["score"] > 0.9


@pytest.mark.parametrize(
    ("picture", "values", "words"),
    [
        (UNKNOWN, {}, "no picture"),
        (file()[:60], {}, "picture"),
        (file(), {"strength": 0}, "strength is 0"),
        (file(), {"strength": 2}, "strength is 2"),
        (file(), {"strength": "half"}, "strength is 'half'"),
        (file(), {"strength": 1}, "prompt is empty"),
    ],
)
def test_bad_variations_are_told_what_is_wrong_and_queue_nothing(
    page: OpenPage, client: Client, picture: Any, values: dict[str, Any], words: str
) -> None:
    before = jobs(page)
    with pytest.raises(AppError) as told:
        vary(client, picture, **values)
    assert words in str(told.value)
    assert jobs(page) == before


def test_a_job_is_ranked_by_other_words_and_back(page: OpenPage, client: Client) -> None:
    pictures = paint(client)
    job = pictures[0]["job"]
    other = client.predict(job=job, text="a green pear", api_name="/rerank")
    assert [picture["rank"] for picture in other] == [1, 2]
    assert other[0]["score"] != pictures[0]["score"]
    assert page.studio.job(job).ranked_by == "a green pear"
    assert client.predict(job=job, api_name="/rerank") == pictures


@pytest.mark.parametrize(
    ("values", "words"),
    [({"job": UNKNOWN}, "no job"), ({"job": "../x"}, "no job"), ({"job": 5}, "job is 5"),
     ({"text": 5}, "text is 5"), ({"text": "x" * 9999}, "9999 characters")],
)  # fmt: skip
def test_bad_rerankings_are_told_what_is_wrong(client: Client, values: dict[str, Any], words: str) -> None:
    job = paint(client, count=1)[0]["job"]
    with pytest.raises(AppError) as told:
        client.predict(**{"job": job, "text": "a pear", **values}, api_name="/rerank")
    assert words in str(told.value)


def test_the_history_is_searched_in_both_languages_a_page_at_a_time(client: Client) -> None:
    paint(client, "一只蓝色的猫")
    found = client.predict(text="猫", limit=2, api_name="/history_search")
    assert [picture["prompt"] for picture in found] == ["一只蓝色的猫"] * 2
    rest = client.predict(text="猫", limit=2, before=found[-1]["id"], api_name="/history_search")
    assert len(rest) == 1
    assert rest[0]["id"] < found[-1]["id"] < found[0]["id"]
    assert client.predict(text="walrus", api_name="/history_search") == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": "x" * 10_000}, "10000 characters"),
        ({"prompt": 3}, "prompt is 3"),
        ({"prompt": None}, "prompt is None"),
        ({"prompt": {"a": 1}}, "prompt is {"),
        ({"count": "many"}, "count is 'many'"),
        ({"count": True}, "count is True"),
        ({"count": 100_000}, "count is 100000"),
        ({"keep": 0}, "keep is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"top_p": 7}, "top_p is 7"),
        ({"guidance": []}, "guidance_scale is []"),
    ],
)
def test_bad_requests_are_told_what_is_wrong_and_queue_nothing(
    page: OpenPage, client: Client, values: dict[str, Any], words: str
) -> None:
    before = jobs(page)
    with pytest.raises(AppError) as told:
        paint(client, **{"prompt": "red apple", **values})
    assert words in str(told.value)
    assert jobs(page) == before


@pytest.mark.parametrize(
    ("values", "words"),
    [({"text": 5}, "text is 5"), ({"limit": 0}, "limit is 0"), ({"limit": "x"}, "limit is 'x'"),
     ({"before": "../x"}, "no picture '../x'"), ({"before": UNKNOWN}, "no picture"), ({"before": []}, "before is []")],
)  # fmt: skip
def test_bad_searches_are_told_what_is_wrong(client: Client, values: dict[str, Any], words: str) -> None:
    with pytest.raises(AppError) as told:
        client.predict(**values, api_name="/history_search")
    assert words in str(told.value)


def test_odd_searches_are_only_words(client: Client) -> None:
    for text in ['" OR 1', "prompt:*", "'; DROP TABLE images", "NEAR(", "\0"]:
        assert isinstance(client.predict(text=text, api_name="/history_search"), list)


def test_a_job_that_fails_says_why(page: OpenPage, client: Client) -> None:
    page.model.fail_on = "dragon"
    with pytest.raises(AppError, match="unexpected went wrong"):
        paint(client, "a dragon")
    assert paint(client, "a fox")


def test_a_job_that_is_stopped_says_so(page: OpenPage, client: Client, slow: FakeModel) -> None:
    asked = client.submit(prompt="a slow fox", count=4, seed=1, api_name="/generate")
    wait_until(lambda: page.studio.running_job() is not None)
    page.studio.cancel(page.studio.running_job() or "")
    with pytest.raises(AppError, match="Stopped"):
        asked.result(timeout=30)


def test_many_wait_at_once(page: OpenPage, slow: FakeModel) -> None:
    """More than there are threads to wait with."""
    client = Client(page.url, verbose=False, max_workers=64)
    asked = [client.submit(prompt=f"boat {n}", count=1, seed=n, api_name="/generate") for n in range(60)]
    wait_until(lambda: len(page.studio.queue()) > 55)
    assert client.predict(text="harbour", api_name="/history_search") is not None
    slow.step_seconds = 0.0
    assert [request.result(timeout=60)[0]["seed"] for request in asked] == list(range(60))


def test_a_caller_that_goes_away_leaves_its_job_to_finish(page: OpenPage, slow: FakeModel) -> None:
    asyncio.run(ask_and_leave(page, "a lighthouse"))
    job_id = page.studio.running_job()
    assert job_id is not None
    slow.step_seconds = 0.0
    wait_until(lambda: page.studio.job(job_id).final)
    assert (page.studio.job(job_id).status, page.studio.job(job_id).request.prompt) == ("done", "a lighthouse")


async def ask_and_leave(page: OpenPage, prompt: str) -> None:
    """Join the queue as a client does, listen until the job is painted, then drop the connection."""
    async with httpx.AsyncClient(base_url=page.url + "gradio_api/") as http:
        joined = await http.post("call/generate", json={"data": [prompt, "", 3, 2, 1, 0.7, 0, 1.0, 1.0]})
        async with http.stream("GET", f"call/generate/{joined.json()['event_id']}"):
            while page.studio.running_job() is None:
                await asyncio.sleep(0.02)


def test_a_password_is_asked_of_programs_too(locked_page: OpenPage) -> None:
    with pytest.raises(AuthenticationError):
        Client(locked_page.url, verbose=False)
    client = Client(locked_page.url, auth=("ada", "lovelace"), verbose=False)
    (picture,) = paint(client, count=1)
    address = locked_page.url.rstrip("/") + picture["url"]
    assert httpx.get(address).status_code == 401
    assert httpx.get(address, cookies=client.cookies).headers["content-type"] == "image/png"


def test_what_the_page_itself_uses_is_not_for_clients(page: OpenPage, client: Client) -> None:
    config = httpx.get(page.url + "config").json()
    private = {d["id"] for d in config["dependencies"] if d["api_visibility"] != "public"}
    assert len(config["dependencies"]) - len(private) == len(NAMES)
    for fn_index in private:
        with pytest.raises(ValueError, match="Invalid function index"):
            client.predict(fn_index=fn_index)


def jobs(page: OpenPage) -> list[str]:
    rows = page.studio.history._read("SELECT id FROM jobs ORDER BY id")
    return [row["id"] for row in rows]


class TestExpandPrompt:
    def test_variations_are_counted_and_listed(self, client: Client) -> None:
        answer = client.predict(prompt="{red|blue} {cat|dog}", api_name="/expand_prompt")
        assert answer == {"count": 4, "prompts": ["red cat", "red dog", "blue cat", "blue dog"]}
        answer = client.predict(prompt="{red|blue} {cat|dog}", limit=2, first=3, api_name="/expand_prompt")
        assert answer["prompts"] == ["blue cat", "blue dog"]

    def test_ten_million_answer_at_once(self, client: Client) -> None:
        answer = client.predict(prompt="{0|1|2|3|4|5|6|7|8|9}" * 7, limit=1, api_name="/expand_prompt")
        assert answer == {"count": 10**7, "prompts": ["0000000"]}

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"prompt": "{red|blue"}, "never closed"),
            ({"prompt": "__../../etc/passwd__"}, "expected the name of a text file"),
            ({"prompt": "{a|b}", "limit": 5000}, "from 0 to 1000"),
            ({"prompt": "{a|b}", "first": 3}, "from 1 to 2"),
            ({"prompt": 7}, "expected str"),
        ],
    )
    def test_what_it_cannot_read_is_told(self, client: Client, values: dict[str, Any], words: str) -> None:
        with pytest.raises(AppError, match=words):
            client.predict(**values, api_name="/expand_prompt")
