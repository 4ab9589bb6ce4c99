"""The routes that take events → their bodies, headers and answers as OpenAPI describes them; the examples are sent by a test."""

from __future__ import annotations

from typing import Final

_PREDICTION: Final[dict[str, object]] = {
    "model": "fraud",
    "id": "tx-1",
    "time": "2026-03-01T12:00:00+00:00",
    "version": "3",
    "features": {"amount": 41.5, "country": "IT"},
    "prediction": 1,
    "score": 0.93,
    "tags": {"channel": "web"},
}
_LABEL: Final[dict[str, object]] = {"model": "fraud", "id": "tx-1", "label": 0, "time": "2026-03-04T09:00:00+00:00"}
_FEEDBACK: Final[dict[str, object]] = {"model": "ads", "id": "ad-1", "event": "click"}
_RUN: Final[dict[str, object]] = {
    "component": "load",
    "started": "2026-03-01T03:00:00+00:00",
    "ended": "2026-03-01T03:00:12+00:00",
    "params": {"day": "2026-02-28"},
    "reads": ["raw.csv"],
    "writes": [{"name": "rows", "version": "a1b2"}],
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
_METRIC: Final[dict[str, object]] = {
    "name": "queue_depth",
    "value": 3,
    "time": "2026-03-01T12:00:00+00:00",
    "labels": {"host": "a"},
}
_LOG: Final[dict[str, object]] = {
    "message": "no answer from the feature store",
    "level": "warning",
    "logger": "serving",
}
EXAMPLES: Final[dict[str, dict[str, object]]] = {
    "events": {"kind": "prediction", **_PREDICTION},
    "predictions": _PREDICTION,
    "labels": _LABEL,
    "feedback": _FEEDBACK,
    "runs": _RUN,
    "metrics": _METRIC,
    "logs": _LOG,
}
_LINES: Final = (
    "One JSON object a line; or a JSON array of them, or one object. Times are ISO 8601 text, epoch seconds (a number below "
    "10^11) or whole microseconds (10^14 and above); without one it is now. `Content-Encoding` may be gzip or zstd."
)
HEADERS: Final = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 256},
        "description": "A request of a key that is in the store already is not taken again, and answered as the first was.",
    },
    {
        "name": "Content-Encoding",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "enum": ["identity", "gzip", "zstd"]},
    },
]


def body_of(path: str) -> dict[str, object]:
    """Describe what a route reads."""
    example = EXAMPLES[path]
    one = {"type": "object", "example": example}
    content = {
        "application/json": {
            "schema": {"oneOf": [one, {"type": "array", "items": {"type": "object"}}]},
            "example": example,
        },
        "application/x-ndjson": {"schema": {"type": "string", "format": "binary"}},
    }
    return {"requestBody": {"required": True, "description": _LINES, "content": content}, "parameters": HEADERS}


FRAME_BODY: Final[dict[str, object]] = {
    "requestBody": {
        "required": True,
        "description": (
            'The first line: {"kind": "predictions", "model": …, "columns": {"id": …, "time": …, "prediction": …, "score": …}, '
            '"features": […], "tags": […], "types": {column: "number"}, "time_type": "datetime"}. The rest: a Parquet file.'
        ),
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _json(description: str, schema: dict[str, object], **more: object) -> dict[str, object]:
    return {"description": description, "content": {"application/json": {"schema": schema}}, **more}


_ERROR: Final[dict[str, object]] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
_NUMBERED: Final = {
    "type": "array",
    "items": {"type": "object", "required": ["line"], "properties": {"line": {"type": "integer"}}},
}
_TAKEN: Final[dict[str, object]] = {
    "type": "object",
    "required": ["accepted", "rejected", "rejected_count", "duplicate"],
    "properties": {
        "accepted": {"type": "integer", "description": "Events that are in the log, on the disk."},
        "rejected": {**_NUMBERED, "description": "Lines that could not be taken, with the reason; the first hundred."},
        "rejected_count": {
            "type": "integer",
            "description": "All lines that could not be taken; the store keeps them.",
        },
        "duplicate": {"type": "boolean", "description": "The key was known: this is what its first request came to."},
        "ids": {**_NUMBERED, "description": "The ids given to events that had none."},
    },
}
ANSWERS: Final[dict[int | str, dict[str, object]]] = {
    200: _json("The events are in the log, on the disk.", _TAKEN),
    400: _json("The body cannot be read; nothing of it is recorded.", _ERROR),
    403: _json("A page of another site sent it.", _ERROR),
    408: _json("The body did not come in time; nothing of it is recorded.", _ERROR),
    413: _json("The body is too large, as sent or once decompressed; nothing of it is recorded.", _ERROR),
    415: _json("The encoding is not known.", _ERROR),
    503: _json(
        "The server cannot take it now (busy, disk full, shutting down): send the same again.",
        _ERROR,
        headers={"Retry-After": {"description": "After how many seconds.", "schema": {"type": "integer"}}},
    ),
}
HEALTH: Final[dict[int | str, dict[str, object]]] = {
    200: _json(
        "The server is up.",
        {
            "type": "object",
            "required": ["status", "store", "queue_bytes", "last_commit", "failed", "dropped", "maintenance"],
            "properties": {
                "status": {"type": "string"},
                "store": {"type": "string"},
                "queue_bytes": {"type": "integer"},
                "last_commit": {"type": ["string", "null"], "format": "date-time"},
                "failed": {
                    "type": "object",
                    "additionalProperties": {"type": "integer"},
                    "description": "Events whose requests were told to come again, by reason.",
                },
                "dropped": {
                    "type": ["object", "null"],
                    "additionalProperties": {"type": "integer"},
                    "description": "Events that recording processes could not record, by reason, as they told.",
                },
                "maintenance": {"type": ["object", "null"]},
            },
        },
    )
}
_SETTINGS: Final[dict[str, object]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "enabled": {"type": "boolean"},
        "level": {"type": "string", "enum": ["debug", "info", "warning", "error", "critical"]},
        "sampling": {"type": "array", "items": {"type": "object"}},
        "redaction": {"type": "array", "items": {"type": "object"}},
        "retention": {"type": "object", "description": "Days and bytes of each table that are kept."},
    },
    "example": {"enabled": True, "level": "info", "sampling": [{"model": "fraud*", "method": "head", "rate": 0.1}]},
}
SETTINGS_SCHEMA: Final[dict[str, object]] = {"application/json": {"schema": _SETTINGS}}
SETTINGS_BODY: Final[dict[str, object]] = {"requestBody": {"required": True, "content": SETTINGS_SCHEMA}}
