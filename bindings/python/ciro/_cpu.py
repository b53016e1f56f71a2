"""Chooses the extension module that this CPU can run, before one of its instructions runs.

A wheel for x86-64 has two: `_ciro`, for every CPU, and `_ciro_v3`, for those with AVX2. Each holds a text with its target, architecture and CPU
features as the Rust compiler names them, which is read from the file. A CPU that lacks a feature of every module is refused.
"""

from __future__ import annotations

import mmap
import platform
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
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


def load() -> None:
    """Loads the best module for this CPU as `ciro._ciro`.

    Raises:
        ImportError: if the CPU is of another architecture, or lacks a feature; the message names it.
    """
    flags = _flags()
    missing: list[str] = []
    for path in _modules():
        target = _target(path)
        if flags is None or target is None:
            if path.name.startswith("_ciro_v3"):
                continue  # Nothing is known about the CPU: the module for every one.
            return  # The import itself will tell.
        missing = missing_features(target, flags)
        if not missing:
            if path.name.startswith("_ciro_v3"):
                _load(path)
            return
    if missing:
        raise ImportError(
            f"this build of ciro needs CPU features that this machine lacks: {', '.join(missing)}. "
            "Install a wheel from PyPI, or build it on this machine: `pip install .` in a clone's bindings/python, "
            "with RUSTFLAGS='-C target-cpu=native'"
        )


def _load(path: Path) -> None:
    """Makes the file the module `ciro._ciro`, whatever it is called."""
    name = f"{__package__}._ciro"
    loader = ExtensionFileLoader(name, str(path))
    spec = spec_from_file_location(name, path, loader=loader)
    assert spec is not None, "a loader is given"
    module = module_from_spec(spec)
    loader.exec_module(module)
    sys.modules[name] = module


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


def _modules() -> list[Path]:
    """The extension modules of the package, that of the newest CPUs first."""
    folder = Path(__file__).parent
    paths = (folder / f"{stem}{suffix}" for stem in ("_ciro_v3", "_ciro") for suffix in EXTENSION_SUFFIXES)
    return [path for path in paths if path.is_file()]


def _target(path: Path) -> Optional[str]:
    """The target that an extension module names; `None` if it names none."""
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
