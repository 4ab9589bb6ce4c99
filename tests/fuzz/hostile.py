"""Values, names and lines that nobody should write and somebody will."""

from __future__ import annotations

import json

from tests.fuzz.ground import BEGIN

VALUES = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "minus zero": "-0.0",
    "fraction": "1.5",
    "text": '"text"',
    "number as text": '"17"',
    "empty text": '""',
    "empty list": "[]",
    "empty object": "{}",
    "list": "[1,[2],{}]",
    "object": '{"a":1}',
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "2^53+1": str(2**53 + 1),
    "2^63": str(2**63),
    "-2^63-1": str(-(2**63) - 1),
    "2^64": str(2**64),
    "2^80": str(2**80),
    "1e400": "1e400",
    "-1e400": "-1e400",
    "1e-400": "1e-400",
    "5,000 digits": "9" * 5000,
    "leading zero": "007",
    "plus": "+1",
    "hex": "0x10",
    "null byte escaped": '"a\\u0000b"',
    "lone surrogate": '"a\\ud800b"',
    "reversed surrogates": '"\\udc00\\ud800"',
    "control characters": '"a\\u001f\\t\\r\\u2028b"',
    "quotes": '"it\'s \\"quoted\\" \\\\ $.x"',
    "emoji": '"\U0001f9ea"',
    "deep list": "[" * 10_000 + "]" * 10_000,
    "deep object": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "101 deep": "[" * 101 + "]" * 101,
    "99 deep": '{"a":' * 90 + "1" + "}" * 90,
    "bare word": "undefined",
    "comment": "/* */ 1",
    "single quotes": "'a'",
    "two values": "1 2",
    "nothing": "",
}
"""JSON, or what passes for it, by name."""

RAW = {
    "null byte raw": b'"a\x00b"',
    "invalid UTF-8": b'"a\xff\xfeb"',
    "surrogate in UTF-8": b'"a\xed\xa0\x80b"',
    "overlong slash": b'"\xc0\xaf"',
    "raw tab": b'"a\tb"',
    "raw carriage return": b'"a\rb"',
}

NAMES = {
    "empty": "",
    "quote": 'a"b',
    "apostrophe": "a'b",
    "dot": "a.b",
    "dollar": "$.a[0]",
    "new line": "a\nb",
    "null byte": "a\0b",
    "blank": " a ",
    "brackets": "a[0]",
    "backslash": "a\\b",
    "long": "n" * 5000,
    "case": "INK",
    "word of SQL": "select",
    "semicolon": "a; DROP TABLE x; --",
    "column of ours": "id",
    "emoji": "\U0001f9ea",
    "surrogate": "a\ud800",
}

FIELDS = {
    "prediction": (
        "kind", "model", "id", "time", "version", "environment", "features", "prediction", "score", "tags", "latency",
        "run", "trace", "weight", "error",
    ),
    "label": ("kind", "model", "id", "time", "environment", "label"),
    "metric": ("kind", "name", "value", "time", "step", "labels", "run", "trace"),
    "log": ("kind", "message", "time", "level", "logger", "tags", "run", "trace"),
}  # fmt: skip

TEMPLATES = {
    "prediction": {
        "kind": "prediction",
        "model": "digits",
        "id": "hostile",
        "time": BEGIN,
        "version": "1",
        "environment": "live",
        "features": {"ink": 1.5},
        "prediction": 1,
        "score": 0.5,
        "tags": {"site": "hill"},
        "latency": 0.01,
        "run": None,
        "trace": None,
        "weight": 1,
        "error": None,
    },
    "label": {
        "kind": "label",
        "model": "digits",
        "id": "hostile",
        "time": BEGIN,
        "environment": "live",
        "label": 1,
    },
    "metric": {
        "kind": "metric",
        "name": "depth",
        "value": 1.0,
        "time": BEGIN,
        "step": 1,
        "labels": {"queue": "a"},
        "run": None,
        "trace": None,
    },
    "log": {
        "kind": "log",
        "message": "said",
        "time": BEGIN,
        "level": "info",
        "logger": "app",
        "tags": {"site": "hill"},
        "run": None,
        "trace": None,
    },
}

TIMES = {
    "year 1": -62_135_596_800_000_000,
    "a second before year 1": -62_135_596_801_000_000,
    "before the epoch": -1,
    "the epoch": 0,
    "in seconds": 1_780_272_000,
    "in nanoseconds": 1_780_272_000_000_000_000,
    "year 9999": 253_402_300_799_999_999,
    "a second after year 9999": 253_402_300_801_000_000,
    "2^53": 2**53,
    "2^53+1": 2**53 + 1,
    "-2^53-1": -(2**53) - 1,
    "2^62": 2**62,
    "2^63-1": 2**63 - 1,
    "-2^63": -(2**63),
    "infinity of DuckDB": 2**63 - 1,
    "minus infinity of DuckDB": -(2**63 - 1),
}


def encoded(fields):
    """Put JSON texts together to a line, as they are."""
    inner = b",".join(json.dumps(name).encode() + b":" + value for name, value in fields.items())
    return b"{" + inner + b"}\n"


def with_field(kind, field, value, number=0):
    """A line of a kind whose one field is the given text."""
    fields = {name: json.dumps(found).encode() for name, found in TEMPLATES[kind].items() if found is not None}
    if "id" in fields:
        fields["id"] = json.dumps(f"hostile-{number}").encode()
    if "trace" in TEMPLATES[kind]:
        fields["trace"] = json.dumps(f"hostile-{number}").encode()
    fields[field] = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return encoded(fields)


def positions():
    """Every value in every position: (name, line), the same in each run."""
    made = [*_fields(), *_inner(), *_named(), *_timed()]
    for number, (name, kind, field, value) in enumerate(made):
        yield name, with_field(kind, field, value, number)


def _fields():
    for kind, fields in FIELDS.items():
        for field in fields:
            for name, value in {**VALUES, **RAW}.items():
                yield f"{kind}.{field} = {name}", kind, field, value


def _inner():
    for container in ("features", "tags", "score"):
        for name, value in {**VALUES, **RAW}.items():
            text = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
            inner = b'{"ink":' + text + b',"site":"hill","1":0.5}'
            yield f"prediction.{container}.x = {name}", "prediction", container, inner


def _named():
    for name, key in NAMES.items():
        for container in ("features", "tags", "score"):
            inner = b"{" + json.dumps(key).encode() + b":1.5}"
            yield f"name in {container}: {name}", "prediction", container, inner
        for field in ("model", "id", "version", "environment"):
            yield f"{field}: {name}", "prediction", field, json.dumps(key)


def _timed():
    for name, moment in TIMES.items():
        for kind in FIELDS:
            yield f"{kind} at {name}", kind, "time", str(moment)
