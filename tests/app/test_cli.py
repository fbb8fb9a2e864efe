import argparse
import json
import re
import socket
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path

import pytest

from app import cli
from app.cli import main
from app.errors import OutputError
from app.recipes import read_recipe
from app.settings import PROJECT_FOLDER, Settings, load_settings
from dalle_core.errors import CheckpointError
from dalle_core.request import GenerationRequest
from tests.app.conftest import StartStudio, quick_model, wait_until
from tests.fakes import FakeModel, fake_loader, fake_studio

FAKE = ["--model", "fake"]  # as the studio of these tests has it
QUICK = ["--count", "3", "--keep", "2", "--seed", "7", "--guidance", "1", "--batch-width", "2", "--device", "cpu"]


def run(*argv: str, model: FakeModel | None = None) -> int:
    return main(argv, load_model=fake_loader(model or quick_model()))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_generate_writes_the_kept_pictures_to_a_folder_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, data = tmp_path / "out", tmp_path / "data"
    assert run("generate", "red apple, noto", *QUICK, "--out", str(out), "--data-dir", str(data), "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["rank"] for line in lines] == [1, 2]
    assert lines[0]["score"] >= lines[1]["score"]
    assert set(lines[0]) == {"path", "prompt", "seed", "score", "percentile", "rank", "seconds", "reranker"}
    assert files(tmp_path) == sorted(Path(line["path"]) for line in lines)
    for line in lines:
        recipe = read_recipe(Path(line["path"]))
        assert (recipe.seed, recipe.request.prompt) == (line["seed"], "red apple, noto")


def test_generating_again_gives_the_same_pixels_and_never_overwrites(tmp_path: Path) -> None:
    for _ in range(2):
        assert run("generate", "fox", *QUICK, "--out", str(tmp_path)) == 0
    written = files(tmp_path)
    assert len(written) == 4
    assert len({path.read_bytes() for path in written}) == 2


def test_generate_without_a_folder_goes_into_the_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate", "红苹果", *QUICK, "--data-dir", str(tmp_path), "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["rank"] for line in lines] == [1, 2]
    assert run("history", "search", "苹果", "--data-dir", str(tmp_path), "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(found) == 3
    assert {line["path"] for line in lines} <= {line["path"] for line in found}


ODD_PROMPTS = [
    "🦊🍎❤️👩‍🚀", "\x07\x1b[31m", "<img src=x onerror=alert(1)>", "\u202eelppa der\u202c", "苹果\n\tnoto",
    "%s%n$HOME`x`",
]  # fmt: skip


@pytest.mark.parametrize("prompt", ODD_PROMPTS)
def test_odd_prompts_are_painted_kept_as_they_are_and_no_commands_to_a_terminal(
    prompt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--data-dir", str(tmp_path)]
    assert run("generate", prompt, *QUICK, *where) == 0
    assert run("history", "search", "", "--json", *where) == 0
    (*_, found) = capsys.readouterr().out.splitlines()
    assert json.loads(found)["prompt"] == prompt
    assert run("history", "search", "", *where) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(character == "\t" or unicodedata.category(character) != "Cc" for line in lines for character in line)


def test_generate_is_queued_with_a_studio_that_is_open(
    tmp_path: Path, start_studio: StartStudio, capsys: pytest.CaptureFixture[str]
) -> None:
    studio = start_studio()
    assert run("generate", "fox", *QUICK, *FAKE, "--data-dir", str(studio.settings.data_dir)) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert paths == [
        studio.image_path(image.id) for image in sorted(studio.images(), key=lambda image: image.rank or 0)
    ]


def test_generate_says_when_the_open_studio_failed(
    tmp_path: Path, start_studio: StartStudio, capsys: pytest.CaptureFixture[str]
) -> None:
    studio = start_studio(quick_model(fail_on="fox"))
    assert run("generate", "fox", *QUICK, *FAKE, "--data-dir", str(studio.settings.data_dir)) == 1
    assert capsys.readouterr().err.startswith("error: Something unexpected")


def test_generate_notices_that_the_open_studio_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.generate_command.ALIVE_SECONDS", 0.0)
    studio = fake_studio(tmp_path, quick_model(step_seconds=0.05))
    status: list[int] = []
    waiting = threading.Thread(
        target=lambda: status.append(run("generate", "fox", *QUICK, *FAKE, "--data-dir", str(studio.settings.data_dir)))
    )
    busy = studio.submit(read_request())
    waiting.start()
    wait_until(lambda: len(studio.queue()) == 1 and studio.running_job() == busy)
    studio.close()
    waiting.join(30)
    assert status == [1]
    assert "has stopped" in capsys.readouterr().err


def read_request() -> GenerationRequest:
    return cli.build_request(cli.parse(["generate", "apple", *QUICK]))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["generate", ""], "prompt is empty"),
        (["generate", "   "], "prompt is empty"),
        (["generate", "x" * 3000], "3000 characters"),
        (["generate", "fox", "--count", "0"], "count is 0"),
        (["generate", "fox", "--count", "many"], "--count"),
        (["generate", "fox", "--count", "2", "--keep", "3"], "keep is 3"),
        (["generate", "fox", "--temperature", "nan"], "temperature is nan"),
        (["generate", "fox", "--seed", "-1"], "seed is -1"),
        (["generate", "fox", "--top-p", "7"], "top_p is 7"),
        (["generate", "fox", "--model", "../x"], "model is '../x'"),
        (["generate", "fox", "--device", "toaster"], "toaster"),
        (["generate"], "prompt is empty"),
        (["generate", "fox", "--strength", "0.3"], "goes with --vary IMG"),
        (["generate", "fox", "--vary", "a.png", "--strength", "3"], "strength is 3"),
        (["generate", "--vary", "a.png", "--strength", "1"], "prompt is empty"),
        (["generate", "fox", "--vary", "a.png", "--prefix", "a.png", "--prefix-rows", "2"], "use one of them"),
        (["generate", "fox", "--out"], "--out"),
        (["paint", "fox"], "invalid choice"),
        (["--listen"], "--auth"),
        (["--listen", "--auth", "nobody"], "USER:PASSWORD"),
        (["--share"], "--auth"),
        (["--allowed-host", "http://a.lan"], "http://a.lan"),
        (["--port", "0"], "--port"),
        (["--nonsense"], "--nonsense"),
        (["history"], "ACTION"),
        (["--model", "my-own", "history", "path"], "history goes first"),
        (["history", "search", "fox", "--limit", "0"], "--limit"),
    ],
)
def test_bad_requests_are_one_line_and_status_2_and_write_nothing(
    argv: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DALLE_STUDIO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    out = ["--out", "out"] if argv[:1] == ["generate"] and "--out" not in argv else []
    assert run(*argv, *out) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_the_folder_is_a_bad_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert run("generate", "fox", *QUICK, "--out", str(tmp_path / "file")) == 2
    assert run("generate", "fox", *QUICK, "--out", str(tmp_path / "file" / "below")) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("failure", [RuntimeError("odd"), MemoryError(), CheckpointError("bad weights")])
@pytest.mark.parametrize("to_folder", [True, False])
def test_failures_are_status_1_without_a_traceback(
    failure: Exception, to_folder: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--out", str(tmp_path / "out")] if to_folder else ["--data-dir", str(tmp_path / "data")]
    assert run("generate", "fox", *QUICK, *where, model=quick_model(fail_at=5, failure=failure)) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert [path for path in files(tmp_path) if path.suffix in {".png", ".tmp"}] == []


@pytest.mark.parametrize("where", ["--out", "--data-dir"])
def test_a_model_that_is_not_there_is_status_1(where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["generate", "fox", "--device", "cpu", "--models-dir", str(tmp_path), where, str(tmp_path / "to")]
    assert main(argv) == 1
    assert "no model folder" in capsys.readouterr().err
    assert [path for path in files(tmp_path) if path.suffix == ".png"] == []


def test_stopping_with_the_keyboard_leaves_nothing_half_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = quick_model(fail_at=5, failure=KeyboardInterrupt())
    assert run("generate", "fox", *QUICK, "--out", str(tmp_path), model=stopped) == 130
    assert capsys.readouterr().err == "error: stopped\n"
    assert files(tmp_path) == []


def test_only_what_is_asked_for_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("history", "path", "--data-dir", str(tmp_path / "data")) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'data' / 'db' / 'history.sqlite3'}\n"
    assert run("history", "search", "fox", "--data-dir", str(tmp_path / "data")) == 0
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_models_are_listed_and_broken_ones_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    assert run("models", "list", "--models-dir", str(tmp_path)) == 0
    assert capsys.readouterr().out.startswith("broken\tcannot be used:")
    assert run("models", "list", "--models-dir", str(tmp_path / "none")) == 1


def test_flags_alone_are_those_of_serve() -> None:
    arguments = cli.parse(["--port", "8000", "--no-browser", "--allowed-host", "a.lan", "--allowed-host", "b.lan"])
    assert arguments.run is cli._serve
    assert cli._settings_flags(arguments)["allowed_hosts"] == ("a.lan", "b.lan")
    assert cli.parse([]).run is cli._serve
    assert cli.parse(["--listen"]).host == "0.0.0.0"


def serve_flags() -> list[str]:
    """The long flags of `serve`, which are also those without a command."""
    return [
        flag
        for action in commands_of(cli._parser())["serve"]._actions
        for flag in action.option_strings
        if flag.startswith("--") and flag != "--help"
    ]


def commands_of(parser: argparse.ArgumentParser, name: str = "") -> dict[str, argparse.ArgumentParser]:
    """Every command below `parser`, by the words that call it."""
    found = {name: parser}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                found |= commands_of(below, f"{name} {word}".strip())
    return found


VALUES = {
    "--listen": "10.0.0.2", "--port": "8000", "--auth": "a:b", "--data-dir": "/d", "--models-dir": "/m",
    "--model": "n", "--reranker": "r", "--device": "cpu",
    "--theme": "dark", "--language": "zh", "--allowed-host": "a.lan",
}  # fmt: skip


@pytest.mark.parametrize("flag", serve_flags())
def test_every_flag_of_serve_has_a_variable_that_does_the_same(flag: str) -> None:
    """`--data-dir` is DALLE_STUDIO_DATA_DIR; a flag without a value is 1."""
    variable = "DALLE_STUDIO_" + flag.removeprefix("--").replace("-", "_").upper()
    value = VALUES.get(flag)
    by_flag = cli._settings_flags(cli.parse([flag] if value is None else [flag, value]))
    assert load_settings(by_flag, {}) == load_settings({}, {variable: value or "1"}) != Settings()


@pytest.mark.parametrize("words", [name for name in commands_of(cli._parser()) if name])
def test_every_command_and_flag_says_what_it_does(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(*words.split(), "--help")
    shown = " ".join(capsys.readouterr().out.split())
    command = commands_of(cli._parser())[words]
    assert command.description
    assert command.description in shown
    for action in command._actions:
        assert action.help or isinstance(action, argparse._SubParsersAction), f"{words}: {action.dest} has no help"
        assert all(flag in shown for flag in action.option_strings)


@pytest.mark.parametrize("words", [name for name in commands_of(cli._parser()) if name])
def test_every_command_is_listed_by_the_one_above_it(words: str) -> None:
    *above, name = words.split()
    shown = commands_of(cli._parser())[" ".join(above)].format_help()
    assert re.search(rf"^    {name}\s", shown, re.MULTILINE)


def test_the_studio_says_where_it_is_and_where_it_keeps_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "network_address", lambda: "192.168.1.7")
    local = cli.greeting(Settings(port=7861, data_dir=Path("/pictures")))
    assert local == ["Dalle Studio is at http://127.0.0.1:7861 (Ctrl+C stops it)", "Data folder: /pictures"]
    network = cli.greeting(Settings(port=7861, host="0.0.0.0"))
    assert "http://localhost:7861 " in network[0]
    assert network[1] == "On the network: http://192.168.1.7:7861"
    assert "http://[::1]:7861 " in cli.greeting(Settings(port=7861, host="::1"))[0]


@pytest.mark.parametrize(("flag", "package"), [("--desktop", "pywebview"), ("--mcp", "gradio[mcp]")])
def test_what_is_not_installed_is_said_before_anything_starts(
    flag: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(flag, "--data-dir", str(tmp_path / "data")) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert package in said.err
    assert list(tmp_path.iterdir()) == []


def test_the_first_free_port_is_taken_but_a_port_asked_for_must_be_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(cli, "FIRST_PORT", port)
        assert cli.choose_port(Settings()) > port
        with pytest.raises(OutputError, match="--port"):
            cli.choose_port(Settings(port=port))


def test_without_a_seed_each_run_draws_one() -> None:
    seeds = {cli.build_request(cli.parse(["generate", "fox"])).seed for _ in range(5)}
    assert len(seeds) > 1
    assert cli.build_request(cli.parse(["generate", "fox", "--count", "2"])).keep == 2


def test_the_program_itself_reports_bad_input_in_one_line(tmp_path: Path) -> None:
    argv = [sys.executable, "app.py", "generate", "", "--out", str(tmp_path / "out")]
    ended = subprocess.run(argv, check=False, cwd=PROJECT_FOLDER, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: The prompt is empty.")
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
