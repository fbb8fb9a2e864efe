"""Which device to compute on. Asked once, by whoever starts; everything below is handed the answer."""

import torch

from dalle_core.errors import RequestError

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str) -> torch.device:
    """`auto` prefers CUDA, then Apple's MPS, then the CPU; a named device that is not there is an error."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if name not in available:
        raise RequestError(f"unknown device {name!r}; expected one of {', '.join(DEVICES)}")
    if not available[name]:
        present = ", ".join(kind for kind, there in available.items() if there)
        raise RequestError(f"device {name} is not available on this machine; available: {present}")
    return torch.device(name)
