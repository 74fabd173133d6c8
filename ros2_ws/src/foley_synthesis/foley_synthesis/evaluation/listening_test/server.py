"""The study's web server: one page, its media, and a small API. Nothing that it sends tells which side is real.

    GET  /                          the page (consent, trials, thanks)
    POST /api/consent               {"agree": true} or {"code": "..."} -> session cookie
    GET  /api/next                  the trial to be shown, or that all is done
    GET  /media/<trial>/<side>/<what>   pictures or sound of the trial that is shown
    POST /api/answer                {"trial": token, "choice": "left" | "right"}

Sessions are secrets in a cookie that scripts and other sites cannot use. Beyond loopback a token in the first address
is needed.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from foley_synthesis.evaluation.listening_test.store import AnswerRefused, StudyStore, Trial
from foley_synthesis.evaluation.listening_test.trials import StudySet

PAGE = Path(__file__).parent / "page"
SESSION_COOKIE, ACCESS_COOKIE = "foley_study", "foley_study_access"
MOST_BODY = 4096  # [bytes]
_YEAR_S = 31_536_000
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


def make_app(
    study: StudySet, store: StudyStore, *, token: str = "", hosts: tuple[str, ...] = LOOPBACK
) -> Starlette:
    """The application.

    Args:
        token: that the first address must carry (`/?token=...`); empty for none.
        hosts: names under which it may be reached, against rebinding of names; `*` for any.
    """
    handler = _Handler(study, store)
    routes = [
        Route("/", handler.page),
        Route("/api/consent", handler.consent, methods=["POST"]),
        Route("/api/next", handler.next),
        Route("/api/answer", handler.answer, methods=["POST"]),
        Route("/media/{trial}/{side}/{what}", handler.media),
        Mount("/static", StaticFiles(directory=PAGE)),
    ]

    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        response = _locked(request, token) or await go_on(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return Starlette(
        routes=routes,
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)),
            Middleware(BaseHTTPMiddleware, dispatch=guard),
        ],
        exception_handlers={HTTPException: _refused},
    )


def _locked(request: Request, token: str) -> Response | None:
    """What to say to somebody without the token, or to a page of another site."""
    if request.method == "POST":
        origin = request.headers.get("origin", "")
        if origin and origin.split("://", 1)[-1] != request.headers.get("host", ""):
            return JSONResponse({"error": "this request comes from another site"}, 403)
    if not token or hmac.compare_digest(request.cookies.get(ACCESS_COOKIE, "").encode(), token.encode()):
        return None
    if request.url.path == "/" and hmac.compare_digest(
        request.query_params.get("token", "").encode(), token.encode()
    ):
        response = RedirectResponse("/", 303)
        response.set_cookie(ACCESS_COOKIE, token, max_age=_YEAR_S, httponly=True, samesite="strict")
        return response
    return JSONResponse({"error": "the address is incomplete: it must end in /?token=..."}, 403)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


class _Handler:
    def __init__(self, study: StudySet, store: StudyStore) -> None:
        self._study, self._store = study, store

    async def page(self, request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def consent(self, request: Request) -> Response:
        body = await _body(request)
        if isinstance(body.get("code"), str) and body["code"]:
            found = await run_in_threadpool(self._store.resume, body["code"])
            if found is None:
                raise HTTPException(404, "there is no such code")
            session = found
        elif body.get("agree") is True:
            session, _ = await run_in_threadpool(self._store.consent)
        else:
            raise HTTPException(422, "nobody takes part without agreeing")
        response = JSONResponse({"ok": True})
        response.set_cookie(SESSION_COOKIE, session, max_age=_YEAR_S, httponly=True, samesite="strict")
        return response

    async def next(self, request: Request) -> Response:
        participant, code = await self._who(request)
        trials = await run_in_threadpool(self._store.trials, participant)
        trial = await run_in_threadpool(self._store.current, participant)
        about = {"title": self._study.title, "code": code, "total": len(trials)}
        if trial is None:
            return JSONResponse({**about, "done": True})
        clip = self._study.clip(trial.clip)
        return JSONResponse(
            {
                **about,
                "done": False,
                "trial": trial.token,
                "position": trial.position,
                "columns": clip.columns,
                "count": clip.count,
                "rate_hz": clip.rate_hz,
            }
        )

    async def media(self, request: Request) -> Response:
        """Of the trial that is shown now, so that nobody can look at what is to come or was."""
        participant, _ = await self._who(request)
        trial = await run_in_threadpool(self._store.current, participant)
        side, what = request.path_params["side"], request.path_params["what"]
        if trial is None or trial.token != request.path_params["trial"] or side not in ("left", "right"):
            raise HTTPException(404, "there is no such clip")
        clip = self._study.clip(trial.clip)
        if what not in ("pictures", "sound"):
            raise HTTPException(404, "there is no such clip")
        path, kind = (
            (clip.pictures, "image/jpeg") if what == "pictures" else (self._sound(trial, side), "audio/wav")
        )
        # Not as a file: its date would tell which of the two was made later.
        return Response(await run_in_threadpool(path.read_bytes), media_type=kind)

    async def answer(self, request: Request) -> Response:
        participant, _ = await self._who(request)
        body = await _body(request)
        trial, choice = body.get("trial"), body.get("choice")
        if not isinstance(trial, str) or not isinstance(choice, str):
            raise HTTPException(422, "an answer has a trial and a choice")
        try:
            await run_in_threadpool(self._store.answer, participant, trial, choice)
        except AnswerRefused as refused:
            raise HTTPException(refused.status, str(refused)) from None
        return JSONResponse({"ok": True})

    def _sound(self, trial: Trial, side: str) -> Path:
        clip = self._study.clip(trial.clip)
        return clip.real if side == trial.real_side else clip.made[trial.model]

    async def _who(self, request: Request) -> tuple[int, str]:
        session = request.cookies.get(SESSION_COOKIE, "")
        found = await run_in_threadpool(self._store.participant, session) if session else None
        if found is None:
            raise HTTPException(401, "please agree to take part first")
        return found


async def _body(request: Request) -> dict[str, Any]:
    """A small JSON object."""
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        raise HTTPException(415, "send application/json")
    data = b""
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > MOST_BODY:
                raise HTTPException(413, f"at most {MOST_BODY} bytes")
    except ClientDisconnect:
        raise HTTPException(400, "the request ended early") from None
    try:
        body = json.loads(data)
        json.dumps(
            body, ensure_ascii=False
        ).encode()  # half of a surrogate pair is no text, and no database takes it
    except (ValueError, RecursionError):
        raise HTTPException(400, "this is no JSON") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "send an object")
    return body
