"""The page's web server: reads a :class:`Board` and a camera, changes nothing.

    GET /                                the page
    GET /api/view                        everything but pictures and sounds
    GET /camera.jpg                      the newest picture of the camera
    GET /spectrogram.png?contact=<id>    predicted over heard
    GET /heard.wav?contact=<id>, /predicted.wav?contact=<id>

Beyond loopback a token in the first address is needed.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from foley_bringup.watch.pictures import spectrogram_png, wav

PAGE = Path(__file__).parent / "page"
COOKIE = "foley_watch"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Watched(Protocol):
    """What the server asks of the node; all may be called from any thread."""

    def view(self) -> dict[str, Any]: ...

    def camera(self) -> bytes | None:
        """The newest picture as JPEG; None where there is none."""

    def sounds(self, contact_id: str) -> tuple[Any, Any] | None:
        """Heard and predicted, each a Sound or None; None where there is no such contact."""


def make_app(watched: Watched, *, token: str = "", hosts: tuple[str, ...] = LOOPBACK) -> Starlette:
    """The application.

    Args:
        token: that the first address must carry (`/?token=...`); empty for none.
        hosts: names under which it may be reached, against rebinding of names; `*` for any.
    """

    async def page(request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def view(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(watched.view))

    async def camera(request: Request) -> Response:
        picture = await run_in_threadpool(watched.camera)
        if picture is None:
            raise HTTPException(404, "no picture came from the camera")
        return Response(picture, media_type="image/jpeg")

    async def contact(request: Request) -> Response:
        sounds = watched.sounds(request.query_params.get("contact", ""))
        if sounds is None:
            raise HTTPException(404, "there is no such contact")
        heard, predicted = sounds
        what = request.url.path.strip("/")
        if what == "spectrogram.png" and (heard or predicted):
            return Response(
                await run_in_threadpool(spectrogram_png, predicted, heard), media_type="image/png"
            )
        sound = {"heard.wav": heard, "predicted.wav": predicted}.get(what)
        if sound is None:
            raise HTTPException(404, f"there is no {what} of this contact")
        return Response(await run_in_threadpool(wav, sound), media_type="audio/wav")

    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        response = _locked(request, token) or await go_on(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/view", view),
            Route("/camera.jpg", camera),
            *(Route(f"/{what}", contact) for what in ("spectrogram.png", "heard.wav", "predicted.wav")),
            Mount("/static", StaticFiles(directory=PAGE)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)),
            Middleware(BaseHTTPMiddleware, dispatch=guard),
        ],
        exception_handlers={HTTPException: _refused},
    )


def _locked(request: Request, token: str) -> Response | None:
    """What to say to somebody without the token; None: come in."""
    if not token or hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), token.encode()):
        return None
    given = request.query_params.get("token", "")
    if request.url.path == "/" and hmac.compare_digest(given.encode(), token.encode()):
        response = RedirectResponse("/", 303)
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return response
    return JSONResponse({"error": "the address is incomplete: it must end in /?token=..."}, 403)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)
