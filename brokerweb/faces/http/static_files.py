"""Static files straight from where packages and the project keep them: WhiteNoise, without a thread per request.

WhiteNoise's own middleware is synchronous; one such class in the chain makes Django run everything behind it on the one
thread it shares. The files are small and listed at start, so that reading one on the event loop is the cheaper way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):
    """Middleware that answers for static files and passes everything else on."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        return self._acall(request) if self._is_async else super().__call__(request)

    async def _acall(self, request: HttpRequest) -> HttpResponse:
        file = self.find_file(request.path_info) if self.autorefresh else self.files.get(request.path_info)
        return await self.get_response(request) if file is None else self.serve(file, request)

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with found.file as file:
                content = file.read()
        return HttpResponse(content, status=int(found.status), headers=dict(found.headers))
