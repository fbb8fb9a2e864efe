"""Which device to compute on. Asked once, by whoever starts; everything below is handed the answer."""

import time

import torch
from torch import Tensor

from dalle_core.errors import RequestError

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str) -> torch.device:
    """`auto` prefers CUDA, then Apple's MPS, then the CPU; a named device that is not there is an error."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if available["cuda"]:
        torch.backends.cuda.enable_cudnn_sdp(False)  # it plans each new length of a cache anew, which a token brings
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if name not in available:
        raise RequestError(f"unknown device {name!r}; expected one of {', '.join(DEVICES)}")
    if not available[name]:
        present = ", ".join(kind for kind, there in available.items() if there)
        raise RequestError(f"device {name} is not available on this machine; available: {present}")
    return torch.device(name)


def bfloat16_pays(device: torch.device) -> bool:
    """Whether bf16 products are clearly faster than fp32 ones here. CUDA's are; on a CPU it is measured (0.1 s), since
    some have instructions for it and others emulate it hundreds of times slower."""
    if device.type != "cpu":
        return device.type == "cuda"
    return 1.2 * _seconds(torch.bfloat16) < _seconds(torch.float32)


def pick_dtype(device: torch.device, *, low_memory: bool = False) -> torch.dtype:
    """What to multiply in: bf16 where it is faster or memory is short, else fp32."""
    return torch.bfloat16 if low_memory or bfloat16_pays(device) else torch.float32


def _seconds(dtype: torch.dtype) -> float:
    """Of a product of two matrices of 512 × 512, the fastest of five after one that is not counted."""
    matrix, taken = torch.ones(512, 512, dtype=dtype), []
    for _ in range(6):
        started = time.perf_counter()
        matrix @ matrix
        taken.append(time.perf_counter() - started)
    return min(taken[1:])


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """A CPU tensor on the device, without waiting for what that still has to do."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
