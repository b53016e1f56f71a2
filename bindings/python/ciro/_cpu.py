"""Refuses the extension module on a CPU that lacks what it is compiled for, before one of its instructions runs.

The module holds a text with its target: architecture and CPU features, as the Rust compiler names them. It is read from the file.
"""

from __future__ import annotations

import mmap
import platform
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Optional

_BEGIN, _END = b"<ciro-target ", b" ciro-target>"

# The compiler's name of a feature, where Linux has another one than the name with `_` for `.` and `-`.
_LINUX_NAMES = {
    "avx512bitalg": "avx512_bitalg",
    "avx512bf16": "avx512_bf16",
    "avx512fp16": "avx512_fp16",
    "avx512vbmi2": "avx512_vbmi2",
    "avx512vnni": "avx512_vnni",
    "avx512vp2intersect": "avx512_vp2intersect",
    "avx512vpopcntdq": "avx512_vpopcntdq",
    "avxvnni": "avx_vnni",
    "cmpxchg16b": "cx16",
    "lahfsahf": "lahf_lm",
    "lzcnt": "abm",
    "pclmulqdq": "pclmulqdq",
    "sha": "sha_ni",
    "sse3": "pni",
}

# Features that no compiler uses on its own initiative, or that every CPU has which has the others.
_NEVER_USED_UNASKED = frozenset({"adx", "fxsr", "rdrand", "rdseed", "xsave", "xsavec", "xsaveopt", "xsaves"})


def require() -> None:
    """Checks the CPU.

    Raises:
        ImportError: if it is of another architecture, or lacks a feature; the message names it.
    """
    target = _target()
    flags = _flags()
    if target is None or flags is None:
        return  # Nothing is known about the one or the other: the import itself will tell.
    missing = missing_features(target, flags)
    if missing:
        raise ImportError(
            f"this build of ciro needs CPU features that this machine lacks: {', '.join(missing)}. "
            "Install a wheel from PyPI, or build it on this machine: `pip install .` in a clone's bindings/python, "
            "with RUSTFLAGS='-C target-cpu=native'"
        )


def missing_features(target: str, flags: frozenset[str]) -> list[str]:
    """The features of `target` that are not among the `flags` of Linux's `/proc/cpuinfo`.

    Args:
        target: `x86_64:avx2,sse4.1,...`, with the compiler's names; other architectures have no features that are optional.
        flags: names as Linux spells them.
    """
    arch, _, features = target.partition(":")
    if arch != "x86_64":
        return []
    needed = sorted(set(features.split(",")) - _NEVER_USED_UNASKED - {""})
    return [name for name in needed if _linux_name(name) not in flags]


def _linux_name(feature: str) -> str:
    return _LINUX_NAMES.get(feature, feature.replace(".", "_").replace("-", "_"))


def _target() -> Optional[str]:
    """The target that the extension module names; `None` if there is no file to read."""
    folder = Path(__file__).parent
    paths = (folder / f"_ciro{suffix}" for suffix in EXTENSION_SUFFIXES)
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        begin = content.find(_BEGIN)
        end = content.find(_END, begin)
        return content[begin + len(_BEGIN) : end].decode() if 0 <= begin < end else None


def _flags() -> Optional[frozenset[str]]:
    """The CPU's features by their names in Linux; `None` where the system does not say."""
    if platform.machine() != "x86_64":
        return None
    try:
        with open("/proc/cpuinfo") as file:
            line = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return None
    flags = frozenset(line.partition(":")[2].split())
    return flags or None
