"""The app in a browser: whom its server answers, and what it starts."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from store.errors import Problem
from tui.cli import status_of
from tui.commands.web import app_command, check_free
from tui.session import Session

ROOT = Path(__file__).parents[2]


def test_the_options_of_the_session_reach_the_app(tmp_path: Path) -> None:
    session = Session(
        home=tmp_path / "my home", data="synthetic", devices=("cuda:0", "cuda:1"), models=(tmp_path / "m.py",)
    )
    words = shlex.split(app_command(session))
    assert words[0] == sys.executable
    assert words[3:] == [
        "--home", str(tmp_path / "my home"), "--data", "synthetic", "--device", "cuda:0,cuda:1", "--models",
        str(tmp_path / "m.py"),
    ]  # fmt: skip
    assert "--device" not in app_command(Session(home=tmp_path))


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        with pytest.raises(Problem, match="name another one with --port"):
            check_free(taken.getsockname()[1])


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve", None)
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    monkeypatch.delitem(sys.modules, "tui.web", raising=False)
    assert status_of(["--home", str(tmp_path), "web"]) == 1
    said = capsys.readouterr().err
    assert "pip install 'cifar-tui[web]'" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:8000"}, 200),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "elsewhere.example:8000"}, 403),
        ({"Host": "127.0.0.1:8000"}, 200),
    ],
)
async def test_only_our_own_pages_are_answered(headers: dict[str, str], status: int) -> None:
    pytest.importorskip("textual_serve")
    from aiohttp.test_utils import TestClient, TestServer

    from tui.web import PageServer

    server = PageServer("true", 8000)
    async with TestClient(TestServer(await server._make_app())) as client:
        for path in ("/", "/ws") if status == 403 else ("/",):
            answer = await client.get(path, headers={"Host": "localhost:8000"} | headers)
            assert answer.status == status, path


async def test_the_app_draws_its_first_screen_for_a_browser(tmp_path: Path) -> None:
    """Started as textual-serve starts it: the driver of the web, and pipes instead of a terminal."""
    command = app_command(Session(home=tmp_path / "home", data="synthetic", devices=("cpu",)))
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ
        | {
            "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
            "COLUMNS": "80",
            "ROWS": "24",
            "PYTHONPATH": str(ROOT),
        },
    )
    assert process.stdin is not None and process.stdout is not None
    seen = b""
    try:
        async with asyncio.timeout(60):
            while b"LeNet" not in seen:
                part = await process.stdout.read(65536)
                assert part, "it ended"
                seen += part
            quit = b'{"type": "quit"}'
            process.stdin.write(b"M" + len(quit).to_bytes(4, "big") + quit)
            await process.stdin.drain()
            while await process.stdout.read(65536):
                pass
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
