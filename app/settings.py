"""Every setting of one run: flag > DALLE_STUDIO_* environment variable > default; and the layout of the data folder.

The only place that reads the environment. Knows nothing of models, pages or SQLite.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import platformdirs

from dalle_core.errors import RequestError

ENVIRONMENT_PREFIX = "DALLE_STUDIO_"
PROJECT_FOLDER = Path(__file__).resolve().parent.parent
THEMES = ("system", "light", "dark")
LANGUAGES = ("auto", "en", "zh")
DEVICES = ("auto", "cpu", "cuda", "mps")
EVERY_ADDRESS = "0.0.0.0"
RERANKER_NAME = re.compile(r"(\w[\w.-]*(/\w[\w.-]*)?)?", re.ASCII)
HOST_NAME = re.compile(r"(\*\.)?[\w-]+(\.[\w-]+)*\.?|\[?[0-9A-Fa-f:.]+\]?", re.ASCII)


def default_data_dir() -> Path:
    return Path(platformdirs.user_data_dir("dalle-studio", appauthor=False))


@dataclass(frozen=True)
class Settings:
    """`port` None means 7860, or the next free one; `model` None the one chosen last, or the bundled one.

    `auth` is (user, password). `reranker` is a folder in `rerankers` or a hub name; empty for the one chosen last, or
    the model's own.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    data_dir: Path = field(default_factory=default_data_dir)
    models_dir: Path = PROJECT_FOLDER / "assets" / "models"
    model: str | None = None
    reranker: str = ""
    device: str = "auto"
    low_memory: bool = False
    open_browser: bool = True
    auth: tuple[str, str] | None = field(default=None, repr=False)
    insecure: bool = False
    allowed_hosts: tuple[str, ...] = ()
    theme: str = "system"
    language: str = "auto"
    share: bool = False
    desktop: bool = False
    mcp: bool = False

    @property
    def database(self) -> Path:
        return self.data_dir / "db" / "history.sqlite3"

    @property
    def backups(self) -> Path:
        return self.data_dir / "db" / "backups"

    @property
    def marks(self) -> Path:
        """What the pictures' own recipes cannot tell, beside the database, for the day that is lost."""
        return self.data_dir / "db" / "marks.json"

    @property
    def images(self) -> Path:
        return self.data_dir / "images"

    @property
    def thumbnails(self) -> Path:
        return self.data_dir / "thumbnails"

    @property
    def temp(self) -> Path:
        return self.data_dir / "temp"

    @property
    def log(self) -> Path:
        return self.data_dir / "studio.log"

    @property
    def wildcards(self) -> Path:
        """Text files whose lines stand in for __names__ in prompts."""
        return self.data_dir / "wildcards"

    @property
    def window(self) -> Path:
        """What the window of --desktop remembers."""
        return self.data_dir / "window"

    @property
    def lock(self) -> Path:
        """Held by the one process that owns the data folder."""
        return self.data_dir / "owner.lock"

    @property
    def own_models(self) -> Path:
        """Models of the artist's own, beside those of `models_dir`."""
        return self.data_dir / "models"

    @property
    def downloads(self) -> Path:
        """What has been fetched of models that are not whole yet."""
        return self.own_models / ".downloads"

    @property
    def chosen_model(self) -> Path:
        """The name of the model that was chosen last."""
        return self.data_dir / "model.txt"

    @property
    def chosen_reranker(self) -> Path:
        """The name of the reranker that was chosen last, if one was."""
        return self.data_dir / "reranker.txt"

    @property
    def rerankers(self) -> Path:
        return self.models_dir / "rerankers"

    @property
    def own_rerankers(self) -> Path:
        return self.own_models / "rerankers"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach `host`."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def listens_everywhere(self) -> bool:
        """Whether `host` means every address of this machine."""
        return self.host in {EVERY_ADDRESS, "::", ""}


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Settings from parsed flags (None or absent: not given), then `environ`, then defaults. Raises RequestError."""
    known = {setting.name for setting in fields(Settings)}
    if unknown := sorted(flags.keys() - known):
        raise RequestError(f"Unknown settings {unknown}; expected some of {sorted(known)}.")
    values: dict[str, object] = {name: value for name, value in flags.items() if value is not None}
    for name, (flag, parse) in _VARIABLES.items():
        variable = ENVIRONMENT_PREFIX + flag
        if name not in values and environ.get(variable):
            values[name] = parse(variable, environ[variable])
    return _checked(Settings(**values))  # type: ignore[arg-type]


def check_exposure(settings: Settings) -> None:
    """Refuse to open the studio to others without a password, unless asked to. Raises RequestError."""
    if settings.auth or settings.insecure or (settings.is_loopback and not settings.share):
        return
    opening = "A public link" if settings.share else f"Listening on {settings.host}"
    who = "anyone who has it" if settings.share else "anyone on the network"
    raise RequestError(
        f"{opening} lets {who} use this studio. Add --auth USER:PASSWORD, or --insecure if that is what you want."
    )


def parse_auth(source: str, text: str) -> tuple[str, str]:
    """`USER:PASSWORD`, both non-empty. The message never repeats the password."""
    user, _, password = text.partition(":")
    if not user or not password:
        raise RequestError(f"{source} must look like USER:PASSWORD.")
    return user, password


def parse_port(source: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535):
        raise RequestError(f"{source} is {text!r}; expected a port from 1 to 65535.")
    return int(text)


def is_model_name(name: str) -> bool:
    """Whether a folder of models could have one of this name, and nothing outside it."""
    return 0 < len(name) <= 200 and not name.startswith(".") and name.isprintable() and not set(name) & set("/\\:")


def _checked(settings: Settings) -> Settings:
    _check_choice("theme", settings.theme, THEMES)
    _check_choice("language", settings.language, LANGUAGES)
    _check_choice("device", settings.device, DEVICES)
    for name in settings.allowed_hosts:
        if not HOST_NAME.fullmatch(name):
            raise RequestError(
                f"The allowed host is {name!r}; expected a name such as studio.lan, without http:// or port."
            )
    if settings.model is not None and not is_model_name(settings.model):
        raise RequestError(f"The model is {settings.model!r}; expected the name of a folder in {settings.models_dir}.")
    if not RERANKER_NAME.fullmatch(settings.reranker):
        raise RequestError(
            f"The reranker is {settings.reranker!r}; expected the name of a folder in {settings.rerankers} or, "
            "as on the hub, owner/name."
        )
    return settings


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RequestError(f"The {name} is {value!r}; expected one of {', '.join(choices)}.")


def _parse_text(source: str, text: str) -> str:
    return text


def _parse_path(source: str, text: str) -> Path:
    return Path(text).expanduser()


def _parse_switch(source: str, text: str) -> bool:
    switches = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in switches:
        raise RequestError(f"{source} is {text!r}; expected 1 or 0.")
    return switches[text.lower()]


def _parse_no(source: str, text: str) -> bool:
    return not _parse_switch(source, text)


def _parse_listen(source: str, text: str) -> str:
    """An address, or like the flag without one: 1 for every address, 0 for this machine alone."""
    try:
        return EVERY_ADDRESS if _parse_switch(source, text) else Settings.host
    except RequestError:
        return text


def _parse_list(source: str, text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


# Setting -> its flag's name in capitals, which is also its variable's, and how the variable's text is read.
_VARIABLES: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "host": ("LISTEN", _parse_listen),
    "port": ("PORT", parse_port),
    "data_dir": ("DATA_DIR", _parse_path),
    "models_dir": ("MODELS_DIR", _parse_path),
    "model": ("MODEL", _parse_text),
    "reranker": ("RERANKER", _parse_text),
    "device": ("DEVICE", _parse_text),
    "low_memory": ("LOW_MEMORY", _parse_switch),
    "open_browser": ("NO_BROWSER", _parse_no),
    "auth": ("AUTH", parse_auth),
    "insecure": ("INSECURE", _parse_switch),
    "allowed_hosts": ("ALLOWED_HOST", _parse_list),
    "theme": ("THEME", _parse_text),
    "language": ("LANGUAGE", _parse_text),
    "share": ("SHARE", _parse_switch),
    "desktop": ("DESKTOP", _parse_switch),
    "mcp": ("MCP", _parse_switch),
}
