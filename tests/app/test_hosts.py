import pytest

from app.settings import Settings
from app.ui.hosts import KnownHosts, machine_names

LOCAL = ["localhost", "LOCALHOST:7860", "localhost.", "127.0.0.1:7860", "[::1]:7860"]
FOREIGN = [
    "evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "", " ", "a b",
    "127.0.0.1:7860:1", "evil.example/127.0.0.1", "user@localhost", "localhost:99999999", "[::1", "*.b.lan",
]  # fmt: skip
ADDRESSES = ["192.168.1.7:7860", "10.0.0.2", "[fe80::1]:7860", "172.17.0.1:8000"]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> KnownHosts:
    monkeypatch.setattr("socket.gethostname", lambda: "Easel.home.arpa")
    return KnownHosts(Settings(host="0.0.0.0", allowed_hosts=("Studio.lan", "*.b.lan")))


@pytest.mark.parametrize("header", LOCAL)
def test_this_machine_is_always_known(network: KnownHosts, header: str) -> None:
    assert network.knows(header)
    assert KnownHosts(Settings()).knows(header)


@pytest.mark.parametrize("header", FOREIGN)
def test_foreign_names_never_are(network: KnownHosts, header: str) -> None:
    assert not network.knows(header)
    assert not KnownHosts(Settings()).knows(header)


@pytest.mark.parametrize("header", ["easel:7860", "easel.local", "EASEL.home.arpa:7860", *ADDRESSES])
def test_the_network_may_use_this_machines_name_and_any_address_and_nobody_else(
    network: KnownHosts, header: str
) -> None:
    assert network.knows(header)
    assert not KnownHosts(Settings()).knows(header)


@pytest.mark.parametrize(
    ("header", "known"),
    [("studio.lan", True), ("x.studio.lan", False), ("x.b.lan", True), ("b.lan", False), ("xb.lan", False)],
)
def test_names_can_be_allowed(network: KnownHosts, header: str, known: bool) -> None:
    assert network.knows(header) is known


def test_a_host_that_is_listened_on_is_known_and_so_is_one_added_later() -> None:
    hosts = KnownHosts(Settings(host="studio.example"))
    assert hosts.knows("studio.example:7860")
    assert not hosts.knows("abc.gradio.live")
    hosts.add("abc.gradio.live")
    assert hosts.knows("abc.gradio.live")


def test_a_machine_without_a_name_has_none() -> None:
    assert machine_names("") == frozenset()
    assert machine_names("Mac.local") == {"mac.local", "mac"}
