from pathlib import Path

import pytest

import dalle_core.device
from app.settings import DEVICES, Settings, check_exposure, load_settings
from dalle_core.errors import RequestError


def test_flags_win_over_the_environment_which_wins_over_defaults() -> None:
    environ = {"DALLE_STUDIO_PORT": "9000", "DALLE_STUDIO_MODEL": "other", "DALLE_STUDIO_THEME": "", "PATH": "/bin"}
    settings = load_settings({"port": 9001, "model": None}, environ)
    assert (settings.port, settings.model, settings.theme) == (9001, "other", "system")


def test_every_setting_can_come_from_the_environment() -> None:
    environ = {
        "LISTEN": "::1", "PORT": "1", "DATA_DIR": "/d", "MODELS_DIR": "/m", "MODEL": "n", "RERANKER": "a/b",
        "DEVICE": "cuda", "LOW_MEMORY": "1", "NO_BROWSER": "yes", "AUTH": "me:a:b", "INSECURE": "1",
        "ALLOWED_HOST": "a.lan, *.b.lan", "THEME": "dark", "LANGUAGE": "zh", "SHARE": "1",
        "DESKTOP": "on", "MCP": "true",
    }  # fmt: skip
    settings = load_settings({}, {f"DALLE_STUDIO_{name}": value for name, value in environ.items()})
    assert settings == Settings(
        "::1", 1, Path("/d"), Path("/m"), "n", "a/b", "cuda", True, False, ("me", "a:b"), True,
        ("a.lan", "*.b.lan"), "dark", "zh", True, True, True,
    )  # fmt: skip


@pytest.mark.parametrize(("text", "host"), [("1", "0.0.0.0"), ("0", "127.0.0.1"), ("10.0.0.2", "10.0.0.2")])
def test_listening_is_a_switch_or_an_address(text: str, host: str) -> None:
    assert load_settings({}, {"DALLE_STUDIO_LISTEN": text}).host == host


def test_the_devices_are_those_of_the_model_library() -> None:
    assert DEVICES == dalle_core.device.DEVICES


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"), ("PORT", "65536"), ("PORT", "x"), ("PORT", "9" * 5000), ("PORT", "²"), ("AUTH", "nobody"),
        ("AUTH", ":x"), ("INSECURE", "perhaps"), ("THEME", "pink"), ("LANGUAGE", "xx"),
        ("MODEL", "../x"), ("MODEL", ".."), ("RERANKER", "../x"), ("RERANKER", "a/b/c"),
        ("ALLOWED_HOST", "http://a.lan"), ("ALLOWED_HOST", "a.lan:80"),
        ("ALLOWED_HOST", "*"), ("NO_BROWSER", "perhaps"), ("SHARE", "2"), ("DEVICE", "toaster"),
    ],
)  # fmt: skip
def test_odd_values_are_refused(name: str, value: str) -> None:
    with pytest.raises(RequestError):
        load_settings({}, {f"DALLE_STUDIO_{name}": value})


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(RequestError, match="prot"):
        load_settings({"prot": 1}, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_this_machine_alone_needs_no_password(host: str) -> None:
    check_exposure(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "studio.lan", "localhost.evil.com"])
def test_the_network_needs_a_password_or_a_clear_wish(host: str) -> None:
    with pytest.raises(RequestError, match="--auth"):
        check_exposure(Settings(host=host))
    check_exposure(Settings(host=host, auth=("me", "secret")))
    check_exposure(Settings(host=host, insecure=True))


def test_a_public_link_needs_a_password_or_a_clear_wish() -> None:
    with pytest.raises(RequestError, match=r"public link .* --auth"):
        check_exposure(Settings(share=True))
    check_exposure(Settings(share=True, auth=("me", "secret")))
    check_exposure(Settings(share=True, insecure=True))


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(Settings(auth=("me", "secret")))
