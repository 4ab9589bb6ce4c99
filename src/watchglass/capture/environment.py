"""This process → the environment that its runs share: Python, the packages, the machine, the container, the accelerators; and its digest.

Packages are read off the names of their `.dist-info` and `.egg-info` entries on the path, as importlib.metadata finds
them, without opening a file: some hundred take a few milliseconds, once a process.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from watchglass.capture import drops
from watchglass.capture.times import now

if TYPE_CHECKING:
    from watchglass.capture.recorder import Recorder

_ENTRY: Final = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(-py\d[\d.]*(-.*)?)?\.(dist|egg)-info")
_DIGEST_BYTES: Final = 16
_ORCHESTRATORS: Final = (("KUBERNETES_SERVICE_HOST", "kubernetes"), ("ECS_CONTAINER_METADATA_URI_V4", "ecs"))


def packages(places: tuple[str, ...]) -> dict[str, str]:
    """Give name and version of every package on a path; of one that is there twice the one that an import finds."""
    found: dict[str, str] = {}
    for place in places:
        with suppress(OSError), os.scandir(place or ".") as entries:
            for entry in entries:
                match = _ENTRY.fullmatch(entry.name) if entry.name.endswith("-info") else None
                if match is not None:
                    name = re.sub(r"[-_.]+", "-", match["name"]).lower()
                    found.setdefault(name, match["version"].replace("_", "+"))
    return dict(sorted(found.items()))


def container(root: str = "") -> dict[str, str] | None:
    """Say what container this process is in, by the files below `root`; None outside of one, as far as can be told."""
    with suppress(OSError, ValueError):
        if os.path.exists(f"{root}/run/.containerenv"):  # noqa: PTH110 - text paths here
            with open(f"{root}/run/.containerenv", encoding="utf-8") as file:  # noqa: PTH123 - likewise
                told = dict(part.rstrip().split("=", 1) for part in file if "=" in part)
            image = told.get("image", "").strip('"')
            return {"kind": "podman", **({"image": image} if image else {})}
    kind = next((kind for name, kind in _ORCHESTRATORS if name in os.environ), None)
    if kind is None and os.path.exists(f"{root}/.dockerenv"):  # noqa: PTH110 - likewise
        kind = "docker"
    return None if kind is None else {"kind": kind}


def accelerators(root: str = "") -> list[str]:
    """Name the accelerators that the system shows below `root`; no library is asked, as that would begin to use them."""
    found: list[str] = []
    folder = f"{root}/proc/driver/nvidia/gpus"
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - text paths here
            with open(f"{folder}/{name}/information", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - likewise
                about = dict(part.split(":", 1) for part in file if ":" in part)
            found.append(f"NVIDIA {about.get('Model', 'GPU').strip()}".replace("NVIDIA NVIDIA", "NVIDIA"))
    with suppress(OSError):
        names = os.listdir(f"{root}/dev")  # noqa: PTH208 - likewise
        found += ["AMD (kfd)"] * ("kfd" in names)
        found += [f"accelerator {name}" for name in sorted(names) if re.fullmatch(r"accel\d+", name)]
    return found


def machine() -> dict[str, object]:
    """Describe the machine; its name stands on the run, so that equal machines share an environment."""
    about = os.uname()
    found: dict[str, object] = {"system": about.sysname, "release": about.release, "machine": about.machine}
    with suppress(OSError, ValueError, AttributeError):
        found["cpus"] = len(os.sched_getaffinity(0))
        found["memory"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return found


@lru_cache(maxsize=1)
def environment() -> tuple[str, dict[str, object]] | None:
    """Give the digest and the record of this process's environment, read once; None when it cannot be read."""
    return drops.shielded("environment", "the environment of this process is unknown", _environment, None)


def _environment() -> tuple[str, dict[str, object]]:
    return digested(
        {
            "python": sys.version.partition(" ")[0],
            "implementation": sys.implementation.name,
            "packages": packages(tuple(sys.path)),
            **surroundings(),
        }
    )


def surroundings() -> dict[str, object]:
    """Describe what a command of any language runs in: the machine, the container, the accelerators."""
    return {"host": machine(), "container": container(), "accelerator": accelerators()}


def digested(record: dict[str, object]) -> tuple[str, dict[str, object]]:
    """Give a record with its digest."""
    text = json.dumps(record, sort_keys=True)
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES, person=b"wg1 environment").hexdigest(), record


def announced(here: Recorder) -> str | None:
    """Give the digest of this process's environment; the record goes into the log once."""
    found = environment()
    if found is None:
        return None
    digest, record = found
    key = ("environment", digest)
    if key not in here.announced and here.graph({"kind": "environment", "id": digest, "record": record, "time": now()}):
        here.announced[key] = True
    return digest
