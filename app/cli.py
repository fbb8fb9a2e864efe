"""Flags and subcommands. What goes wrong is one line on stderr, never a traceback: exit 2 for a bad request, else 1."""

import argparse
import json
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from functools import partial
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, NoReturn

from app import care_command, models_command
from app.axes import EXAMPLES, PLACES, TITLES, AxisText
from app.errors import OutputError, in_words
from app.explore_command import PaintedCell, begun_seed, explore_to_folder, explore_to_history
from app.generate_command import Painted, paint_to_folder, paint_to_history, read_given, variations
from app.loading import LoadModel
from app.models import memory_words, suited_sampling
from app.settings import (
    DEVICES,
    EVERY_ADDRESS,
    LANGUAGES,
    THEMES,
    Settings,
    check_exposure,
    load_settings,
    parse_auth,
    parse_port,
)
from app.studio import MORE_LIKE_THIS, Studio, image_view, load_model, open_history
from app.views import ImageView, printable
from dalle_core import __version__
from dalle_core.errors import DalleError, RequestError
from dalle_core.families.base import Sampling
from dalle_core.request import GenerationRequest

FIRST_PORT = 7860
PORTS_TRIED = 100
VARIABLES_HELP = (
    "Each flag can be set by an environment variable too: --data-dir is DALLE_STUDIO_DATA_DIR; flags without a value "
    "take 1 or 0. A flag wins over its variable."
)
BAD_REQUEST, FAILED, INTERRUPTED = 2, 1, 130

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None, load_model: LoadModel = load_model) -> int:
    """Run the command line; returns the exit status."""
    logging.getLogger("app").addHandler(logging.NullHandler())
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        command: Any = arguments.run
        settings = load_settings(_settings_flags(arguments), os.environ)
        if settings.low_memory:
            load_model = partial(load_model, low_memory=True)  # type: ignore[call-arg]  # which the studio's own takes
        status: int | None = command(arguments, settings, load_model)
        return status or 0
    except RequestError as error:
        return _fail(str(error), BAD_REQUEST)
    except DalleError as error:
        return _fail(str(error), FAILED)
    except KeyboardInterrupt:
        return _fail("stopped", INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (else Python complains when it flushes at exit)
        return FAILED
    except Exception as error:
        logger.exception("unexpected")
        return _fail(in_words(error) or f"unexpected {type(error).__name__}: {error}", FAILED)


def _fail(message: str, status: int) -> int:
    print("error:", printable(" ".join(message.split())), file=sys.stderr)
    return status


# Flags


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{message}. See: python app.py --help")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Flags without a command are those of `serve`. Raises RequestError; exits for --help and --version."""
    words = list(argv)
    if words and not (words[0].startswith("-") and words[0] not in {"-h", "--help", "--version"}):
        return _parser().parse_args(words)
    try:
        return _parser().parse_args(["serve", *words])
    except RequestError as error:
        if late := next((word for word in words if word in COMMANDS), None):
            raise RequestError(f"{late} goes first and its flags after it: python app.py {late} …") from error
        raise


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="app.py",
        description="Dalle Studio: a local studio for autoregressive image models.",
        epilog="Without a command the studio opens in the browser; its flags are those of: app.py serve --help. "
        + VARIABLES_HELP,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"Dalle Studio {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in COMMANDS.values():
        add(commands)
    return parser


def _add_command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    command = _add_group(commands, name, text)
    command.set_defaults(run=run)
    return command


def _add_group(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    """A word that commands follow."""
    group: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    return group


def _add_serve(commands: Any) -> None:
    serve = _add_command(commands, "serve", _serve, "open the studio in the browser (what happens without a command)")
    serve.epilog = VARIABLES_HELP
    _add_folders(serve)
    _add_model(serve)
    look = serve.add_argument_group("the page")
    look.add_argument("--no-browser", dest="open_browser", action="store_const", const=False, help="open no window")
    look.add_argument("--desktop", action="store_const", const=True, help="open a window of its own; needs pywebview")
    look.add_argument("--theme", choices=THEMES, help="light, dark, or what the system prefers (default)")
    look.add_argument("--language", choices=LANGUAGES, help="English, Chinese, or what the browser prefers (default)")
    _add_network(serve.add_argument_group("who can reach it"))


def _add_network(network: Any) -> None:
    network.add_argument(
        "--port", type=lambda text: parse_port("--port", text), help=f"default: {FIRST_PORT}, or the next free one"
    )
    network.add_argument(
        "--listen", dest="host", nargs="?", const=EVERY_ADDRESS, metavar="HOST",
        help="be reachable from the network, on every address or on HOST; needs --auth or --insecure",
    )  # fmt: skip
    network.add_argument(
        "--share", action="store_const", const=True,
        help="also make a public link, through Gradio's servers; needs --auth or --insecure",
    )  # fmt: skip
    network.add_argument(
        "--auth", type=lambda text: parse_auth("--auth", text), metavar="USER:PASSWORD",
        help="ask for a password; others on this machine can see flags, but not DALLE_STUDIO_AUTH",
    )  # fmt: skip
    network.add_argument(
        "--insecure", action="store_const", const=True, help="allow --listen and --share without a password"
    )
    network.add_argument(
        "--allowed-host", dest="allowed_hosts", action="append", metavar="NAME",
        help="one more name this machine is reached by, such as studio.lan or *.lan; may be given again",
    )  # fmt: skip
    network.add_argument(
        "--mcp",
        action="store_const",
        const=True,
        help='serve tools to assistants; needs "gradio[mcp]"; with --auth they sign in by HTTP Basic',
    )


def _add_generate(commands: Any) -> None:
    generate = _add_command(commands, "generate", _generate, "paint a prompt and print the kept pictures, best first")
    generate.add_argument("prompt", nargs="?", default="", help='for example "red apple, noto"; optional with --vary')
    _add_folders(generate)
    _add_model(generate)
    _add_sampling(generate)
    generate.add_argument("--count", type=int, metavar="N", help="candidates to paint (default: 16)")
    generate.add_argument("--keep", type=int, metavar="K", help="best candidates to keep (default: 4)")
    generate.add_argument(
        "--batch-width", type=int, metavar="N", help="pictures painted at once (default: 8 or fewer, evenly)"
    )
    generate.add_argument(
        "--variations", type=int, metavar="N",
        help="of a prompt with {red|blue} or __wildcards__: how many variations to draw (default: all of them)",
    )  # fmt: skip
    generate.add_argument("--prefix", type=Path, metavar="IMG", help="a picture whose top is kept; its middle square")
    generate.add_argument(
        "--prefix-rows", type=int, metavar="R", help="how many of the model's token rows of it are kept"
    )
    generate.add_argument("--vary", type=Path, metavar="IMG", help="a picture to vary; its middle square")
    generate.add_argument(
        "--strength",
        type=float,
        metavar="X",
        help=f"how far they go from it, up to 1 (default: {MORE_LIKE_THIS:g}); at 0.3 they are siblings",
    )
    generate.add_argument("--out", type=Path, metavar="DIR", help="write PNG files to DIR only, not to the history")
    generate.add_argument("--json", action="store_true", help="one JSON object a line for each kept picture")


def _add_sampling(command: argparse.ArgumentParser) -> None:
    command.add_argument("--negative", dest="negative_prompt", metavar="TEXT", help="what to steer away from")
    command.add_argument("--seed", type=int, metavar="N", help="default: a new one each time")
    command.add_argument(
        "--temperature",
        type=float,
        metavar="X",
        help=f"default: what suits the model, or {GenerationRequest.temperature:g}; 0 takes the likeliest",
    )
    command.add_argument("--top-k", type=int, metavar="N", help="choose among the N likeliest; 0 is all")
    command.add_argument(
        "--top-p", type=float, metavar="X", help="choose among the likeliest that sum to X (default: 1)"
    )
    command.add_argument(
        "--guidance",
        dest="guidance_scale",
        type=float,
        metavar="X",
        help=f"default: what suits the model, or {GenerationRequest.guidance_scale:g}; 1 is off",
    )


def _add_explore(commands: Any) -> None:
    text = "paint a prompt over one axis or two and print the cells, row by row"
    explore = _add_command(commands, "explore", _explore, text)
    explore.add_argument("prompt", help='for example "red apple, noto", or with choices: "{red|blue} apple"')
    _add_folders(explore)
    _add_model(explore)
    kinds = f"what varies and its values: {', '.join(TITLES)}"
    examples = "; ".join(f"{kind}={values}" for kind, values in EXAMPLES.items())
    explore.add_argument("--x", metavar="KIND=VALUES", help=f"along the columns, {kinds}. For example {examples}")
    explore.add_argument("--y", metavar="KIND=VALUES", help="along the rows, likewise")
    explore.add_argument("--picture", type=Path, metavar="IMG", help="the picture for rows=… and strength=…")
    explore.add_argument("--count", type=int, metavar="N", help="candidates a cell, the best is shown (default: 1)")
    _add_sampling(explore)
    explore.add_argument(
        "--out", type=Path, metavar="DIR",
        help="write cells and labelled sheet to DIR only, not to the history; cells that are there already stay",
    )  # fmt: skip
    explore.add_argument("--json", action="store_true", help="one JSON object a line for each cell")


def _add_history(commands: Any) -> None:
    history = _add_group(commands, "history", "the history of what was made")
    actions = history.add_subparsers(metavar="ACTION", required=True)
    _add_command(actions, "path", _history_path, "print where the history's database is, and how much room it takes")
    search = _add_command(actions, "search", _history_search, "print the pictures whose prompt holds every word")
    search.add_argument("text", help="words in English or Chinese; the newest picture comes first")
    search.add_argument("--limit", type=int, default=60, metavar="N", help="pictures at most (default: 60)")
    search.add_argument("--json", action="store_true", help="one JSON object a line for each picture")
    export = _add_command(actions, "export", _history_export, "copy the kept pictures that match, or all, elsewhere")
    export.add_argument("query", nargs="?", default="", help="words that the prompt must hold")
    export.add_argument("--out", type=Path, metavar="DIR|FILE.zip", help="default: a new folder here")
    export.add_argument("--everything", action="store_true", help="candidates that were not kept, too")
    _add_export_picture(actions)
    backup = _add_command(actions, "backup", _history_backup, "copy database and pictures as of one moment")
    backup.add_argument("--out", type=Path, metavar="FILE.zip|DIR", help="default: a new ZIP file here")
    restore = _add_command(actions, "restore", _history_restore, "take a backup in, into an empty data folder")
    restore.add_argument("file", type=Path, help="what `history backup` wrote")
    restore.add_argument("--merge", action="store_true", help="beside what is in the data folder already")
    importing = _add_command(actions, "import", _history_import, "take in PNGs: ours with recipes, others as they are")
    importing.add_argument("path", type=Path, metavar="PATH", help="a folder, a ZIP file or a PNG")
    purge = _add_command(actions, "purge", _history_purge, "count the candidates that nobody kept, or delete them")
    purge.add_argument("--trash", action="store_true", help="what is in the trash instead")
    purge.add_argument("--yes", action="store_true", help="delete them, for good")
    for command in actions.choices.values():
        _add_folders(command)


def _add_export_picture(actions: Any) -> None:
    text = "make a larger PNG, a sticker or an SVG of a picture; a sticker sheet or a ZIP of several"
    export = _add_command(actions, "export-picture", _history_export_picture, text)
    export.add_argument("ids", nargs="+", metavar="ID", help="of pictures; `history search --json` prints them")
    export.add_argument("--as", dest="kind", choices=("png", "svg", "sheet"), help="default: png")
    export.add_argument("--scale", metavar="N", help="a PNG 2, 4 or 8 times as large")
    export.add_argument("--edges", choices=("crisp", "smooth", "pixels"), help="how it is enlarged (default: crisp)")
    export.add_argument("--transparent", action="store_const", const="1", help="without its plain ground")
    export.add_argument("--holes", action="store_const", const="1", help="nor its enclosed bits")
    export.add_argument("--outline", choices=("none", "thin", "wide"), help="a sticker's white rim")
    export.add_argument("--no-recipe", dest="recipe", action="store_const", const="0", help="pixels alone")
    export.add_argument("--colours", metavar="N", help="of an SVG, 2 to 32 (default: 8)")
    export.add_argument("--columns", metavar="N", help="of a sheet: stickers in a row (default: 4)")
    export.add_argument("--cell", metavar="N", help="of a sheet: pixels of a sticker (default: 256)")
    export.add_argument("--gap", metavar="N", help="of a sheet: pixels between stickers")
    export.add_argument("--margin", metavar="N", help="of a sheet: pixels around them")
    export.add_argument("--page", choices=("fit", "a4", "letter"), help="of a sheet (default: as large as needed)")
    export.add_argument("--ground", choices=("white", "transparent"), help="of a sheet (default: white)")
    export.add_argument("--pdf", dest="file", action="store_const", const="pdf", help="a sheet as PDF")
    export.add_argument("--out", type=Path, metavar="FILE", help="default: a new file here; nothing is written over")


def _add_doctor(commands: Any) -> None:
    doctor = _add_command(commands, "doctor", _doctor, "check the history and the models against their files")
    doctor.add_argument("--repair", action="store_true", help="rebuild what can be rebuilt; deletes no picture")
    doctor.add_argument("--json", action="store_true", help="one JSON object")
    _add_folders(doctor)


def _add_models(commands: Any) -> None:
    models = _add_group(commands, "models", "the models there are")
    actions = models.add_subparsers(metavar="ACTION", required=True)
    listing = _add_command(actions, "list", _models_list, "print the models there are, and those that can be had")
    listing.add_argument("--json", action="store_true", help="one JSON object a line for each model")
    fetching = _add_command(actions, "download", _models_download, "fetch a public model, or go on where that ended")
    fetching.add_argument("name", metavar="NAME", help="such as dalle-mini; `models list` prints what can be had")
    fetching.add_argument("--accept-licence", action="store_true", help="agree to the licence that is printed first")
    fetching.add_argument("--discard", action="store_true", help="delete what was fetched of it instead")
    for command in actions.choices.values():
        _add_folders(command)


COMMANDS: dict[str, Callable[[Any], None]] = {
    "serve": _add_serve,
    "generate": _add_generate,
    "explore": _add_explore,
    "history": _add_history,
    "models": _add_models,
    "doctor": _add_doctor,
}


def _add_folders(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data-dir", type=Path, metavar="DIR", help="where the history is kept")
    command.add_argument("--models-dir", type=Path, metavar="DIR", help="where the models are")


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", metavar="NAME", help="default: the one chosen last; see: app.py models list")
    command.add_argument(
        "--reranker",
        metavar="NAME",
        help="what ranks the pictures (default: the one chosen last on the Models tab, or what suits the model)",
    )
    command.add_argument(
        "--low-memory", action="store_const", const=True, help="hold less of a large model at once; slower, no previews"
    )
    command.add_argument("--device", choices=DEVICES, help="what to compute on (default: auto, the fastest there is)")


def _settings_flags(arguments: argparse.Namespace) -> dict[str, object]:
    flags = {setting.name: getattr(arguments, setting.name, None) for setting in fields(Settings)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in flags.items()}


# Commands


def _serve(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    from app.ui.serve import check_packages, serve

    check_exposure(settings)
    check_packages(settings)
    settings = replace(settings, port=choose_port(settings))
    studio = Studio(settings, load_model)
    studio.open()
    try:
        _log_to(settings.log)
        for line in filter(None, [*greeting(settings), memory_words(settings)]):
            _say(line)
        serve(studio, settings, _say)
    except KeyboardInterrupt:
        _say("Stopped.")
    finally:
        studio.close()


def _say(line: str) -> None:
    print(line, flush=True)


def _generate(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    _warn_of_memory(settings)
    request = build_request(arguments, suited_sampling(settings))
    given = read_given(arguments.prefix, arguments.prefix_rows, arguments.vary)
    requests = variations(settings, request, arguments.variations)
    if arguments.out is None:
        painted = paint_to_history(settings, requests, load_model, given)
    else:
        painted = paint_to_folder(settings, requests, arguments.out, load_model, given)
    for picture in painted:
        _print_picture(picture, as_json=arguments.json)


def _warn_of_memory(settings: Settings) -> None:
    if words := memory_words(settings, only_where_tight=True):
        print(words, file=sys.stderr)


def _explore(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    _warn_of_memory(settings)
    axes = [_axis(flag, getattr(arguments, flag)) for flag in ("x", "y")]
    given = read_given(None, None, arguments.picture)
    arguments.count, arguments.vary = 1 if arguments.count is None else arguments.count, None
    arguments.seed = begun_seed(arguments.out) if arguments.seed is None else arguments.seed
    request = build_request(arguments, suited_sampling(settings))
    picture = given.data if given else None
    if arguments.out is None:
        cells = explore_to_history(settings, request, axes, load_model, picture)
    else:
        cells = explore_to_folder(settings, request, axes, arguments.out, load_model, picture)
    for cell in cells:
        _print_picture(cell, as_json=arguments.json)


def _axis(flag: str, written: str | None) -> AxisText | None:
    if written is None:
        return None
    kind, sign, values = written.partition("=")
    if kind.strip() not in TITLES or not (sign or kind in {"prompt", "style", *PLACES}):
        raise RequestError(f"--{flag} is {written!r:.80}; expected KIND=VALUES, for example guidance=1,3,5, where KIND "
                           f"is one of {', '.join(TITLES)}.")  # fmt: skip
    return AxisText(kind.strip(), values)


def build_request(arguments: argparse.Namespace, sampling: Sampling | None = None) -> GenerationRequest:
    """Raises RequestError. Without --keep no more are kept than --count; without --seed a new one is drawn.

    `sampling` is what suits the model where a flag does not say otherwise.
    """
    given = {field.name: getattr(arguments, field.name, None) for field in fields(GenerationRequest)}
    values: dict[str, Any] = {} if sampling is None else asdict(sampling)
    values |= {name: value for name, value in given.items() if value is not None}
    values.setdefault("seed", secrets.randbelow(2**31))
    if "count" in values:
        values.setdefault("keep", min(GenerationRequest.keep, max(1, values["count"])))
    if arguments.vary is not None:
        values.setdefault("strength", MORE_LIKE_THIS)
    elif "strength" in values:
        raise RequestError("--strength X goes with --vary IMG: how far to go from which picture.")
    return GenerationRequest(**values)


def _history_path(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    print(settings.database)
    if settings.database.is_file():
        print(care_command.space_line(settings), file=sys.stderr)


def _history_export(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    care_command.export_pictures(settings, arguments.query, arguments.out, everything=arguments.everything)


def _history_export_picture(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    from app.exports import Exports, ExportSpec, read_spec

    given = {field.name: getattr(arguments, field.name) for field in fields(ExportSpec)}
    spec = read_spec({name: value for name, value in given.items() if value is not None})
    with open_history(settings) as history:
        export = Exports(history).make(spec, arguments.ids)
    print(care_command.save_export(export, arguments.out))
    if export.whole:
        print(f"{care_command.counted(export.whole, 'picture')} without a plain ground stay whole", file=sys.stderr)


def _history_backup(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    care_command.write_backup(settings, arguments.out)


def _history_restore(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    care_command.read_backup(settings, arguments.file, merge=arguments.merge)


def _history_import(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    care_command.import_pictures(settings, arguments.path)


def _history_purge(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    purge = care_command.empty_trash if arguments.trash else care_command.purge
    purge(settings, confirmed=arguments.yes)


def _doctor(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> int:
    sound = care_command.examine(settings, repair=arguments.repair, as_json=arguments.json)
    return 0 if sound else FAILED


def _history_search(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    if not 1 <= arguments.limit <= 10_000:
        raise RequestError(f"--limit is {arguments.limit}; expected a value from 1 to 10000.")
    if not settings.database.is_file():
        return
    with open_history(settings) as history:
        rows = history.images(arguments.text, arguments.limit, before=None, kept_only=False)
        for row in rows:
            view, path = image_view(row), settings.images / row.path
            plain = f"{path}\t{view.seed}\t{printable(' '.join(view.prompt.split()))}"
            print(_image_json(view, path) if arguments.json else plain)


def _models_list(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    models_command.print_models(settings, as_json=arguments.json)


def _models_download(arguments: argparse.Namespace, settings: Settings, load_model: LoadModel) -> None:
    if arguments.discard:
        models_command.discard(settings, arguments.name)
    else:
        models_command.download(settings, arguments.name, accept_licence=arguments.accept_licence)


def _print_picture(picture: Painted | PaintedCell, *, as_json: bool) -> None:
    print(json.dumps(asdict(picture), ensure_ascii=False) if as_json else picture.path)


def _image_json(view: ImageView, path: Path) -> str:
    names = ("id", "prompt", "seed", "model", "kept", "starred", "score", "percentile", "rank", "reranker")
    values = {name: getattr(view, name) for name in names}
    return json.dumps({"path": str(path), **values, "created": view.created.isoformat()}, ensure_ascii=False)


# The server's address


def choose_port(settings: Settings) -> int:
    """The port asked for, which must be free, or the first free one from 7860 on. Raises OutputError."""
    if settings.port is not None:
        if not _is_free(settings.host, settings.port):
            raise OutputError(f"Port {settings.port} of {settings.host} is in use or not allowed. Try another --port.")
        return settings.port
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        if _is_free(settings.host, port):
            return port
    raise OutputError(f"No port from {FIRST_PORT} to {port} of {settings.host} is free. Choose one with --port.")


def _is_free(host: str, port: int) -> bool:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as server:
            if os.name == "posix":
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(address)
    except OSError:
        return False
    return True


def greeting(settings: Settings) -> list[str]:
    """What the studio says before it opens: where it is, and where it keeps what it makes."""
    lines = [f"Dalle Studio is at http://{_shown_host(settings)}:{settings.port} (Ctrl+C stops it)"]
    if settings.listens_everywhere and (address := network_address()):
        lines.append(f"On the network: http://{address}:{settings.port}")
    return [*lines, f"Data folder: {settings.data_dir}"]


def network_address() -> str | None:
    """This machine's address on its network. Asks only the table of routes: nothing is sent anywhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address reserved for documentation
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address


def _shown_host(settings: Settings) -> str:
    if settings.listens_everywhere:
        return "localhost"
    return f"[{settings.host}]" if ":" in settings.host else settings.host


def _log_to(path: Path) -> None:
    logging.raiseExceptions = False  # a log that finds no room is not worth a traceback
    handler = RotatingFileHandler(path, maxBytes=2**20, backupCount=2, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger("app").addHandler(handler)
