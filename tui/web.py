"""The server behind `cifar-tui web`. It answers this computer's own pages and nobody else."""

from __future__ import annotations

import click
from aiohttp import web
from aiohttp.typedefs import Handler
from textual_serve.server import Server

from tui.commands.web import HOST

OWN_NAMES = (HOST, "127.0.0.1")


class PageServer(Server):
    """textual-serve, for one user: a page of another site can neither connect nor pretend to be ours."""

    def __init__(self, command: str, port: int) -> None:
        super().__init__(command, host=HOST, port=port, title="cifar-tui")

    def initialize_logging(self) -> None:
        """Say nothing of each page."""

    async def on_startup(self, app: web.Application) -> None:
        click.echo(f"The app is at {self.public_url} (Ctrl-C ends it)")

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self.only_own_pages)
        return app

    @web.middleware
    async def only_own_pages(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A browser says on whose behalf it asks. Any page that the user visits may ask this computer; and a name that
        somebody else owns may lead here."""
        hosts = {f"{name}:{self.port}" for name in OWN_NAMES} | (set(OWN_NAMES) if self.port == 80 else set())
        origin = request.headers.get("Origin")
        if request.host not in hosts or (origin is not None and origin.removeprefix("http://") not in hosts):
            raise web.HTTPForbidden(text="cifar-tui answers its own pages only")
        return await handler(request)
