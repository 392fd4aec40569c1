"""Device, CPU threads and precision of computations, chosen once and recorded."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

from molgen.errors import SpecError

DEVICE_TYPES = ("cpu", "cuda", "mps")
MAX_THREADS = 1024
"""More than the cores of any machine, and so few that starting them does not crash the process."""

_CPU_INFO = Path("/proc/cpuinfo")


def resolve_device(name: str) -> str:
    """The torch device called `name`: `auto` is CUDA if available, else the CPU.

    Raises:
        SpecError: There is no such device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in DEVICE_TYPES:
        raise SpecError("device", f"must be auto, cpu, cuda, cuda:N or mps, but got {name!r}")
    if not _is_present(device):
        raise SpecError("device", f"this machine has no {name}", remedy="Use --device cpu.")
    return str(device)


def available_threads() -> int:
    """Number of CPU threads that the affinity of this process and OMP_NUM_THREADS allow."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, torch.get_num_threads())


def use_threads(n: int | None) -> None:
    """Makes torch use `n` CPU threads, by default `available_threads`.

    Raises:
        SpecError: `n` is not from 1 to `MAX_THREADS`.
    """
    if n is not None and not 1 <= n <= MAX_THREADS:
        raise SpecError("threads", f"must be from 1 to {MAX_THREADS}, but got {n}")
    torch.set_num_threads(n or available_threads())


def has_fast_bf16(device: str) -> bool:
    """Whether matrix products in bfloat16 are native on `device`; emulated ones are slower than float32."""
    kind = torch.device(device).type
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "cpu" and _CPU_INFO.exists():
        flags = _CPU_INFO.read_text(encoding="utf-8", errors="replace")
        return "avx512_bf16" in flags or "amx_bf16" in flags
    return False


def _is_present(device: torch.device) -> bool:
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return True


def describe_machine() -> dict[str, Any]:
    """Processor, number of threads and versions, on which computing speed depends."""
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:
            names = [line.partition(":")[2].strip() for line in handle if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
