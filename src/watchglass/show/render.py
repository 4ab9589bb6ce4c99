"""A specification → SVG for a page (colours from its stylesheet), SVG or PNG to take away (colours of the light theme)."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, TypeAlias
from xml.etree import ElementTree as ET

import orjson

from watchglass.show.drawing import LIGHT

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchglass.show.drawing import Spec

Form: TypeAlias = Literal["svg", "png"]

_VERSION = "6.4"
_MARGIN = 12
_SVG = "{http://www.w3.org/2000/svg}"
_DROPPED = ("role", "aria-roledescription", "aria-hidden", "aria-label", "class", "font-family", "style")
_NUMBER = re.compile(r"-?\d+\.\d{2,}(?:e-?\d+)?")
_ID = re.compile(r"url\(#([^)]+)\)")
_VARIABLE = re.compile(r"var\(--([a-z0-9]+)\)")


def inline(spec: Spec) -> str:
    """Draw a specification as an SVG element to stand inside a page.

    Colours stay names of the page's tokens; fonts come from its stylesheet; no `style` attribute, and no id that
    could meet another chart's. Drawings are cached by the specification's text; any thread may call.
    """
    return _inline(_text(spec))


def picture(spec: Spec) -> str:
    """Draw a specification as an SVG file that stands alone, on the light background."""
    return _picture(_text(printed(spec)))


def png(spec: Spec) -> bytes:
    """Draw a specification as a PNG file of two pixels to a point, on the light background."""
    return _png(_text(printed(spec)))


def printed(spec: Spec) -> Spec:
    """Put the light theme's colours in place of the stylesheet's names: the specification to take away.

    >>> printed({"mark": "bar", "config": {"bar": {"color": "var(--accent)"}}})["config"]
    {'bar': {'color': '#0f5f7d'}}
    """
    filled: Spec = orjson.loads(_VARIABLE.sub(lambda found: LIGHT[found[1]], _text(spec)))
    padding = filled.get("padding")
    if isinstance(padding, dict):  # a file has no page around it that a label could reach into
        filled["padding"] = {side: room + _MARGIN for side, room in padding.items() if isinstance(room, int)}
    return {**filled, "background": LIGHT["bg"]}


def _text(spec: Spec) -> str:
    return orjson.dumps(spec).decode()


@lru_cache(maxsize=512)
def _inline(text: str) -> str:
    root = ET.fromstring(_svg(text))  # noqa: S314 - the renderer's own output
    mark = blake2b(text.encode(), digest_size=6).hexdigest()
    for parent in root.iter():
        for child in list(parent):
            if child.get("class") in {"foreground", "background"} and child.get("fill") is None:
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        for name in _DROPPED:
            element.attrib.pop(name, None)
        for name, value in element.attrib.items():
            element.set(name, _tidy(name, value, mark))
    root.attrib.pop("version", None)
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    return ET.tostring(root, encoding="unicode", short_empty_elements=False)


def _tidy(name: str, value: str, mark: str) -> str:
    if name == "id":
        return f"{value}-{mark}"
    if value.startswith("url("):
        return _ID.sub(rf"url(#\1-{mark})", value)
    return _NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), value)


@lru_cache(maxsize=64)
def _picture(text: str) -> str:
    return _svg(text)


@lru_cache(maxsize=32)
def _png(text: str) -> bytes:
    return _draw("png", text)


def _svg(text: str) -> str:
    return _draw("svg", text).decode()


def drawn_here(form: Form, text: str) -> bytes:
    """Draw a specification's text in this process, which the renderer makes 125 MB larger; raises `ValueError`."""
    import vl_convert  # noqa: PLC0415 - a server has another process draw

    if form == "png":
        picture: bytes = vl_convert.vegalite_to_png(text, vl_version=_VERSION, scale=2, allowed_base_urls=[])
        return picture
    drawn: str = vl_convert.vegalite_to_svg(text, vl_version=_VERSION, allowed_base_urls=[])
    return drawn.encode()


_draw: Callable[[Form, str], bytes] = drawn_here


def draw_with(draw: Callable[[Form, str], bytes]) -> None:
    """Have the charts of this process drawn by something else."""
    global _draw  # noqa: PLW0603 - one renderer for the process, as the caches are
    _draw = draw
