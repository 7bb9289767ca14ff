from __future__ import annotations

import re
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock

from store.errors import Problem, UsageProblem
from tests.trainer.fake_cifar import contents, md5, packed, publish, write
from trainer.cifar10 import Published
from trainer.download import ARCHIVE, MIRRORS, download, is_https, partial
from trainer.source import Source, verify


class Server:
    """A web server on this machine whose every path misbehaves in its own way. It remembers what it was asked."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.closing = threading.Event()
        self.ranges: list[str | None] = []  # the Range of each request
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], object]] = {
            "/good": self.good,
            "/no-ranges": self.no_ranges,
            "/breaks": self.breaks,
            "/breaks-no-ranges": self.breaks_without_ranges,
            "/begins-anew": self.begins_anew,
            "/wrong": lambda request: self.send(request, 200, bytes(len(body))),
            "/short": lambda request: self.send(request, 200, body[:1000]),
            "/nothing": lambda request: request.send_error(404),
            "/busy": lambda request: request.send_error(503),
            "/never-satisfied": self.never_satisfied,
            "/elsewhere": lambda request: self.send(
                request, 206, body[7:], {"Content-Range": f"bytes 7-9/{len(body)}"}
            ),
            "/moved": lambda request: self.send(request, 302, b"", {"Location": self.url("/good")}),
            "/to-http": lambda request: self.send(request, 302, b"", {"Location": "http://example.org/cifar.tar.gz"}),
            "/to-file": lambda request: self.send(request, 302, b"", {"Location": "file:///etc/passwd"}),
            "/hangs": lambda request: self.closing.wait(),
            "/no-http": lambda request: request.wfile.write(b"hello\r\n\r\n"),
        }
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that http.server calls
                server.ranges.append(self.headers.get("Range"))
                server.answers[self.path](self)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}{path}"

    def send(
        self, request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def good(self, request: BaseHTTPRequestHandler, upto: int | None = None) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        part = {"Content-Range": f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"} if asked else {}
        whole = {"Content-Length": str(len(self.body) - start)}
        self.send(request, 206 if asked else 200, self.body[start:upto], {**whole, **part})

    def no_ranges(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, 200, self.body)

    def breaks(self, request: BaseHTTPRequestHandler) -> None:
        """Breaks off halfway, the first time."""
        self.good(request, None if len(self.ranges) > 1 else len(self.body) // 2)

    def breaks_without_ranges(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, 200, self.body[: len(self.body) // 2], {"Content-Length": str(len(self.body))})

    def begins_anew(self, request: BaseHTTPRequestHandler) -> None:
        """Sends all from the start although asked to go on, breaks off after a quarter, and then knows ranges."""
        if len(self.ranges) == 1:
            self.send(request, 200, self.body[: len(self.body) // 4], {"Content-Length": str(len(self.body))})
        else:
            self.good(request)

    def never_satisfied(self, request: BaseHTTPRequestHandler) -> None:
        if request.headers.get("Range"):
            request.send_error(416)
        else:
            self.good(request)

    def close(self) -> None:
        self.closing.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


class Web:
    """A server with the archive, an empty place for it, and the download between them."""

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        self.body = packed(files)
        self.archive = Published(len(self.body), md5(self.body))
        self.server = Server(self.body)
        self.source = Source("cifar10", folder / "data")
        self.said: list[str] = []
        self.heard: list[tuple[int, int]] = []

    def download(self, *paths: str, url: str | None = None) -> bool:
        return download(
            self.source,
            url,
            progress=lambda done, total: self.heard.append((done, total)),
            say=self.said.append,
            archive=self.archive,
            mirrors=[self.server.url(path) for path in paths],
            allow=lambda url: url.startswith("http://127.0.0.1:"),
        )

    def begin(self, content: bytes) -> None:
        """Lay down what an earlier download left."""
        partial(self.source).parent.mkdir()
        partial(self.source).write_bytes(content)

    def is_whole(self) -> bool:
        """Whether CIFAR-10 is there, and nothing is left of the download."""
        return verify(self.source) is None and not partial(self.source).exists()


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    files = contents()
    publish(files, monkeypatch)
    web = Web(tmp_path, files)
    yield web
    web.server.close()


def test_a_download_ends_with_checked_images_and_nothing_else(web: Web) -> None:
    assert web.download("/good")
    assert web.is_whole()
    assert web.heard[-1] == (len(web.body), len(web.body))
    assert web.said == []


def test_images_that_are_there_are_not_downloaded_again(web: Web, tmp_path: Path) -> None:
    assert web.download("/good")
    assert not web.download("/good")
    assert len(web.server.ranges) == 1


def test_a_mirror_that_fails_is_named_and_the_next_one_is_tried(web: Web) -> None:
    assert web.download("/nothing", "/no-http", "/good")
    assert web.is_whole()
    assert len(web.said) == 2
    assert "127.0.0.1: HTTP 404 Not Found. Trying 127.0.0.1" in web.said[0]


def test_a_connection_that_breaks_is_taken_up_where_it_broke(web: Web) -> None:
    assert web.download("/breaks")
    assert web.is_whole()
    assert web.server.ranges == [None, f"bytes={len(web.body) // 2}-"]


def test_an_earlier_download_is_continued(web: Web) -> None:
    web.begin(web.body[:100])
    assert web.download("/good")
    assert web.is_whole()
    assert web.server.ranges == ["bytes=100-"]


def test_an_earlier_download_that_was_whole_needs_no_network(web: Web) -> None:
    web.begin(web.body)
    assert web.download("/nothing")
    assert web.is_whole()
    assert web.server.ranges == []


@pytest.mark.parametrize("path", ["/no-ranges", "/never-satisfied"])
def test_a_server_that_cannot_continue_sends_all_again(web: Web, path: str) -> None:
    web.begin(web.body[:100])
    assert web.download(path)
    assert web.is_whole()
    assert web.server.ranges[0] == "bytes=100-"


def test_what_was_there_is_forgotten_when_a_server_begins_anew(web: Web) -> None:
    web.begin(web.body[: len(web.body) // 2])
    assert web.download("/begins-anew")
    assert web.is_whole()
    assert web.server.ranges == [f"bytes={len(web.body) // 2}-", f"bytes={len(web.body) // 4}-"]


@pytest.mark.parametrize("left", [b"something else", b"x" * 1_000_000])
def test_wrong_bytes_of_an_earlier_download_are_fetched_again(web: Web, left: bytes) -> None:
    web.begin(left)
    assert web.download("/good")
    assert web.is_whole()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/wrong", "it sent something else, with md5"),
        ("/short", "it offers 1,000 bytes instead of"),
        ("/nothing", "HTTP 404 Not Found"),
        ("/busy", "HTTP 503 Service Unavailable"),
        ("/breaks-no-ranges", "the connection broke 5 times"),
        ("/to-http", "leads on to http://example.org/cifar.tar.gz, which is not https"),
        ("/to-file", "leads on to file:///etc/passwd, which is not https|not allowed"),
        ("/elsewhere", "asked to go on at byte 0, it went on at 7"),
        ("/no-http", "hello"),
    ],
)
def test_when_no_mirror_has_it_one_line_says_why_and_what_else_helps(web: Web, path: str, why: str) -> None:
    with pytest.raises(Problem, match=why) as caught:
        web.download(path)
    line = str(caught.value)
    assert "\n" not in line and "--url" in line and "cifar-tui data import" in line
    assert verify(web.source) is not None


def test_a_server_that_is_not_there_is_said_so(web: Web) -> None:
    web.server.close()
    with pytest.raises(Problem, match="Connection refused"):
        web.download("/good")
    web.server = Server(b"")  # for the fixture to close


def test_a_server_that_says_nothing_is_given_up(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.download.TIMEOUT", 0.05)
    with pytest.raises(Problem, match="timed out"):
        web.download("/hangs")


def test_redirects_within_what_is_allowed_are_followed(web: Web) -> None:
    assert web.download("/moved")
    assert web.is_whole()


def test_wrong_bytes_do_not_stay(web: Web) -> None:
    with pytest.raises(Problem):
        web.download("/wrong")
    assert not partial(web.source).exists()


def test_an_interrupted_download_keeps_what_came_for_its_owner_alone(web: Web) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(
            web.source,
            progress=interrupt,
            archive=web.archive,
            mirrors=[web.server.url("/good")],
            allow=lambda url: True,
        )
    came = partial(web.source)
    assert came.stat().st_size > 0
    assert stat.S_IMODE(came.stat().st_mode) == 0o600
    assert web.download("/nothing" if came.stat().st_size == len(web.body) else "/good")
    assert web.is_whole()


def test_two_downloads_into_one_folder_do_not_mix(web: Web) -> None:
    web.begin(web.body[:100])
    with (
        FileLock(partial(web.source).parent / ".download.lock"),
        pytest.raises(Problem, match=r"another download into .* is under way"),
    ):
        web.download("/good")
    assert partial(web.source).read_bytes() == web.body[:100]


@pytest.mark.parametrize(
    "url", ["http://example.org/c.tar.gz", "file:///etc/passwd", "ftp://x/y", "cifar", "https://", ""]
)
def test_only_https_addresses_are_read(web: Web, url: str) -> None:
    assert not is_https(url)
    with pytest.raises(UsageProblem, match="https://"):
        download(web.source, url)


def test_the_mirrors_are_https_and_their_archive_is_the_published_one() -> None:
    assert all(is_https(url) for url in MIRRORS)
    assert ARCHIVE.bytes == 170_498_071
    assert ARCHIVE.md5 == "c58f30108f718f92721af3b95e74349a"


def test_the_synthetic_images_cannot_be_downloaded() -> None:
    with pytest.raises(UsageProblem, match="synthetic"):
        download(Source("synthetic"))


def test_a_damaged_folder_is_mended_by_a_download(web: Web, tmp_path: Path) -> None:
    files = contents()
    write({**files, "data_batch_1": b"broken"}, tmp_path / "data")
    assert web.download("/good")
    assert web.is_whole()
