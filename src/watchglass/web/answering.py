"""The work that a request asks for → what it came to as JSON, or the reason why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import HTTPException, Request, Response
from starlette.requests import ClientDisconnect

from watchglass.errors import UnknownName
from watchglass.web.bodies import drain
from watchglass.web.pages import json
from watchglass.web.taking import refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable


async def answered(request: Request, work: Awaitable[object]) -> Response:
    """Await the work and answer it; what it raises for the client to hear goes to web/problems.py as it is."""
    try:
        found = await work
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    except HTTPException:
        raise
    except UnknownName as error:
        return json({"error": str(error)}, 404)
    except Exception as error:  # noqa: BLE001 - what fails here is ours to mend and the client's to send again; 500 would say less
        response = refusal(error)
        await drain(request)
        return response
    return found if isinstance(found, Response) else json(found)
