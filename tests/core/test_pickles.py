"""Foreign pickles: tensors are taken out, nothing is run."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from dalle_core.errors import CheckpointError
from dalle_core.pickles import Husk, read_pickle, read_tensors, tensors_of

LINEAR = "torch.nn.modules.linear.Linear"
SEQUENTIAL = "torch.nn.modules.container.Sequential"


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = str(place)

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.place,)


@pytest.mark.parametrize("archive", [True, False])
def test_tensors_come_back(tmp_path: Path, archive: bool) -> None:
    state = {"a": torch.randn(3, 4), "b": torch.randn(5).half()}
    torch.save(state, tmp_path / "state.pt", _use_new_zipfile_serialization=archive)
    read = read_tensors(tmp_path / "state.pt")
    assert all(torch.equal(read[name], value) for name, value in state.items())


@pytest.mark.parametrize("archive", [True, False])
def test_code_is_named_and_not_run(tmp_path: Path, archive: bool) -> None:
    torch.save({"a": Bomb(tmp_path / "was-run")}, tmp_path / "bomb.pt", _use_new_zipfile_serialization=archive)
    with pytest.raises(CheckpointError, match=r"bomb\.pt: refused, since loading it would run code \(\w+\.mkdir\)"):
        read_pickle(tmp_path / "bomb.pt")
    assert not (tmp_path / "was-run").exists()


def test_a_whole_module_is_read_as_its_tensors(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4, bias=False)))
    torch.save(module, tmp_path / "module.pkl")
    husk = read_pickle(tmp_path / "module.pkl", (LINEAR, SEQUENTIAL))
    assert isinstance(husk, Husk)
    tensors = tensors_of(husk)
    assert list(tensors) == ["0.weight", "0.bias", "1.0.weight"]
    assert torch.equal(tensors["1.0.weight"], module.state_dict()["1.0.weight"])
    assert not any(value.requires_grad for value in tensors.values())


def test_a_module_of_classes_that_were_not_named(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(2, 3)), tmp_path / "module.pkl")
    with pytest.raises(CheckpointError, match=r"run code \(torch\.nn\.modules\.linear\.Linear\)"):
        read_pickle(tmp_path / "module.pkl", (SEQUENTIAL,))
    with pytest.raises(CheckpointError, match=r"run code \(torch\.nn\.modules\.container\.Sequential\)"):
        read_pickle(tmp_path / "module.pkl")  # what was allowed once is not allowed for good


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"<html>404</html>", b"\x80\x05\x95"])
def test_files_that_are_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"weights\.pt: not a PyTorch file"):
        read_tensors(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="missing file"):
        read_tensors(tmp_path / "none.pt")
