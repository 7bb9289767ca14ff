"""Wrong words, strange surroundings, damaged and hostile files: one line that names the culprit, and the right status.

Most of it runs in this process, which is quick; what concerns the process itself runs in one of its own.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from store import inbox
from store.owner import owner_of
from store.runs import RunStore
from tests.store.samples import a_run, an_epoch
from tests.test_command_line import PROGRAM, environment
from tui.cli import log_under, status_of

HUGE = "9" * 5000  # more digits than Python reads
NESTED = {"lists": b"[" * 200_000, "objects": b'{"a":' * 100_000}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CIFAR_TUI_HOME", "CIFAR_TUI_DATA", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def no_more_log_handlers() -> Iterator[None]:
    log = logging.getLogger("cifar-tui")
    before = list(log.handlers)
    yield
    for handler in [handler for handler in log.handlers if handler not in before]:
        log.removeHandler(handler)
        handler.close()


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(home: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs the program: exit status, stdout, stderr."""

    def call(*words: str, at: str | Path | None = home) -> tuple[int, str, str]:
        status = status_of([*(["--home", str(at)] if at is not None else []), *words])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def one_line(error: str) -> bool:
    return error.startswith("cifar-tui: ") and error.count("\n") == 1 and "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--home", "", "results"], 2, "--home is empty"),
        (["--home", "~nobody-is-called-so/x", "results"], 2, "no home folder for ~nobody-is-called-so/x"),
        (["--home", "\udcff", "results"], 2, "cannot be called '\\udcff'"),
        (["--home", "a\0b", "results"], 2, "cannot be called 'a\\x00b'"),
        (["--home", "x" * 5000, "results"], 1, "File name too long"),
        (["--home", "x" * 5000, "doctor"], 1, "File name too long"),
        (["--home", "x" * 5000, "--data", "synthetic", "train", "lenet"], 1, "File name too long"),
        (["--home", "/dev/null", "queue"], 1, "/dev/null"),
        (["--home", "/dev/full/x", "results"], 1, "/dev/full/x"),
        (["--data", "", "train", "lenet"], 2, "--data is empty"),
        (["--data", "~nobody-is-called-so", "train", "lenet"], 2, "~nobody-is-called-so"),
        (["--data", "\udcff", "train", "lenet"], 2, "cannot be called"),
        (["--data", "x" * 5000, "train", "lenet"], 1, "File name too long"),
        (["--data", "Synthetic", "train", "lenet"], 1, "--data synthetic"),
        (["--device", f"cuda:{HUGE}", "models"], 2, "--device cannot be"),
        (["--device", "cuda:٣", "models"], 2, "--device cannot be"),
        (["--device", "cpu,", "models"], 2, "--device cannot be 'cpu,'"),
        (["--device", "", "models"], 2, "--device cannot be ''"),
        (["--models", "", "models"], 2, "is a folder"),
        (["results", "now"], 2, "(now)"),
        (["train", "resnet19"], 2, "did you mean resnet18?"),
        (["train", "../lenet"], 2, "../lenet"),
        (["train", "\udcff"], 2, "\\udcff"),
        (["train", "["], 2, "'['"),
        (["train", ""], 2, "no model ''"),
        (["train", "lenet", "--epochs", str(10**30)], 2, "from 1 to 100,000"),
        (["train", "lenet", "--epochs", HUGE], 2, "from 1 to 100,000"),
        (["train", "lenet", "--epochs", "\udcff"], 2, "epochs cannot be '\\udcff'"),
        (["train", "lenet", "--epochs", "٣"], 2, "epochs cannot be '٣'"),
        (["train", "lenet", "--set", "schedule=\udcff"], 2, "schedule cannot be"),
        (["train", "lenet", "--set", "\udcff=1"], 2, "a recipe has no '\\udcff'"),
        (["train", "lenet", "--set", "=1"], 2, "a recipe has no ''"),
        (["train", "lenet", "--set", "epochs=1", "--set", "epochs=2"], 2, "epochs is set twice"),
        (["train", "lenet", "--epochs", "1", "--set", "epochs=1"], 2, "epochs is set twice"),
        (["train", "lenet", "--set", f"learning_rate={HUGE}"], 2, "learning_rate cannot be"),
        (["train", "lenet", "--seed", HUGE], 2, "--seed"),
        (["train", "lenet", "--seeds", "1001"], 2, "--seeds"),
        (["show", "../x"], 2, "no run '../x'"),
        (["show", "\udcff"], 2, "\\udcff"),
        (["show", ""], 2, "no run ''"),
        (["data", "import", "\udcff"], 1, "\\udcff"),
        (["data", "import", "/dev/zero"], 1, "/dev/zero"),
        (["data", "download", "--url", "file:///etc/passwd"], 2, "https://"),
        (["data", "download", "--url", "https://[::1"], 2, "https://"),
        (["import", "weights", "/dev/zero", "--model", "lenet"], 1, "/dev/zero"),
    ],
    ids=lambda value: ascii(" ".join(value))[1:60] if isinstance(value, list) else "",
)  # fmt: skip
def test_a_wrong_word_is_named(words: list[str], status: int, said: str, call: Call, home: Path) -> None:
    found, out, error = call(*words)
    assert (found, out) == (status, "") and one_line(error), error[:500]
    assert said in error
    assert not home.exists(), "nothing was made"


@pytest.mark.parametrize(
    ("name", "value", "words", "status", "said"),
    [
        ("CIFAR_TUI_HOME", "~nobody-is-called-so", ["results"], 2, "~nobody-is-called-so"),
        ("CIFAR_TUI_HOME", "/dev/null", ["results"], 1, "/dev/null is a file"),
        ("CIFAR_TUI_HOME", "/proc/x", ["--data", "synthetic", "train", "lenet"], 1, "/proc/x"),
        ("CIFAR_TUI_DATA", "~nobody-is-called-so", ["train", "lenet"], 2, "~nobody-is-called-so"),
        ("CIFAR_TUI_DATA", "/dev/null", ["train", "lenet"], 1, "CIFAR-10 is not in /dev/null"),
        ("CUDA_VISIBLE_DEVICES", "-1", ["--device", "cuda:0", "models"], 2, "there is no cuda:0"),
        ("CUDA_VISIBLE_DEVICES", ",,", ["--device", "cuda", "models"], 2, "there is no cuda:0"),
    ],
)
def test_a_wrong_environment_variable_is_named(
    name: str, value: str, words: list[str], status: int, said: str, call: Call, monkeypatch: pytest.MonkeyPatch,
    home: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv(name, value)
    found, _, error = call(*words, at=None if name == "CIFAR_TUI_HOME" else home)
    assert found == status and one_line(error) and said in error, error


@pytest.mark.parametrize("value", ["~/results", "results", ""])
def test_a_home_may_be_relative_or_the_user_s_own_or_unset(
    value: str, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user/.local/share"))
    monkeypatch.setenv("CIFAR_TUI_HOME", value)
    place = {"~/results": "user/results", "results": "results", "": "user/.local/share/cifar-tui"}[value]
    with RunStore.open(tmp_path / place) as store:
        store.add(a_run())
    status, out, _ = call("queue", "--json", at=None)
    assert status == 0 and [run["id"] for run in json.loads(out)] == ["a2b3"]


# Files that were damaged, or that somebody made


@pytest.fixture
def stored(home: Path) -> Path:
    """A home with one run that is done and one that was interrupted."""
    with RunStore.open(home) as store:
        for id in ("done", "live"):
            store.add(a_run(id))
            store.append(id, an_epoch(1))
        store.save(a_run("done", status="done"))
        store.save(a_run("live", status="interrupted"))
    return home


READING = (["results"], ["queue"], ["queue", "--json"], ["show", "live"], ["export", "log", "done"])
CONTENTS = {
    "nothing": b"",
    "zeros": b"\0" * 100,
    "not UTF-8": b'{"a":"\xff"}',
    "UTF-16": "{}".encode("utf-16"),
    "null": b"null",
    "a number": b"1e999",
    "NaN": b'{"meta":NaN}',
    "an endless number": b'{"meta":{"1":{"schema":' + HUGE.encode() + b'}},"runs":{}}',
    "half a character": b'{"a":"\\ud800"}',
    "nested lists": NESTED["lists"],
    "nested objects": NESTED["objects"],
}


@pytest.mark.parametrize("name", ["results.json", "results.json.bak", "owner.json", "runs/live/run.json"])
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_a_damaged_file_is_survived_or_named(name: str, content: bytes, stored: Path, call: Call) -> None:
    (stored / name).write_bytes(content)
    for words in READING:
        status, _, error = call(*words)
        if status:
            assert status == 1 and one_line(error) and name in error, error
    assert (stored / name).read_bytes() == content, "reading changes nothing"
    status, out, error = call("doctor", "--repair")
    assert status in (0, 1) and "Traceback" not in out + error and "unexpected" not in error


@pytest.mark.parametrize("content", [*CONTENTS.values(), b'{"epoch":1}', b'{"epoch":-1,"seconds":NaN}'])
def test_a_damaged_history_is_read_up_to_the_damage(content: bytes, stored: Path, call: Call) -> None:
    path = stored / "runs/live/epochs.jsonl"
    path.write_bytes(path.read_bytes() + content + b"\n" + path.read_bytes())
    assert len(json.loads(call("show", "live", "--json")[1])["epochs"]) == 1
    for words in READING:
        assert call(*words)[0] == 0


FIELDS: dict[str, dict[str, Any]] = {
    "an id that leads elsewhere": {"id": "../../x"},
    "a status that there is not": {"status": "alive"},
    "a day that there is not": {"created": "yesterday"},
    "epochs without end": {"recipe": {"epochs": 10**30}},
    "a recipe that cannot be": {"recipe": {"learning_rate": -1}},
    "the first moment": {"created": "0001-01-01T00:00:00+14:00"},
    "the last moment": {"created": "9999-12-31T23:59:59-14:00"},
    "a moment nowhere": {"created": "2026-01-01T00:00:00"},
    "huge numbers": {"seconds": 1e308, "params": 2**63, "epochs_done": 10**18, "position": 1e308},
    "accuracies that cannot be": {"best_accuracy": -1e300, "last_accuracy": 5.0},
    "an unknown model": {"model": "../../etc"},
    "markup": {"error": "[/bold] [red]", "model": "[/x]", "device": "[link=x]", "recipe": {"name": "[/]"}},
    "a data folder that cannot be": {"dataset": "cifar10", "data_folder": "a\0b"},
}


@pytest.mark.parametrize("changes", FIELDS.values(), ids=FIELDS.keys())
def test_a_row_that_says_what_cannot_be_harms_no_other(changes: dict[str, Any], stored: Path, call: Call) -> None:
    path = stored / "results.json"
    tables = json.loads(path.read_bytes())
    for row in tables["runs"].values():
        if row["id"] == "live":
            row |= changes
    path.write_text(json.dumps(tables))
    for words in READING:
        status, out, error = call(*words)
        assert status in (0, 2) and "Traceback" not in out + error and "unexpected" not in error
        assert status == 0 or (words == ["show", "live"] and one_line(error))
    assert "done" in call("results")[1]


def test_a_terminal_does_not_obey_what_a_file_says(stored: Path, call: Call) -> None:
    escape = "\x1b]0;owned\x07\x1b[2J"
    path = stored / "results.json"
    tables = json.loads(path.read_bytes())
    texts = {
        "model": f"lenet{escape}",
        "device": escape,
        "error": escape,
        "notice": escape,
        "note": escape,
        "plan": "\x9b",
    }
    for row in tables["runs"].values():
        row |= texts
    path.write_text(json.dumps(tables))
    for words in (*READING, ["show", escape], ["train", escape], ["--data", escape, "train", "lenet"], ["resume"]):
        _, out, error = call(*words)
        assert not {"\x1b", "\x07", "\x9b"} & set(out + error), words


def test_a_hostile_owner_record_names_nobody(home: Path) -> None:
    home.mkdir()
    for since in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        (home / "owner.json").write_text(f'{{"pid": 1, "host": "elsewhere", "since": "{since}"}}')
        assert owner_of(home) is None
    (home / "owner.json").write_bytes(NESTED["objects"])
    assert owner_of(home) is None


def test_a_hostile_inbox_hides_no_run(stored: Path, call: Call) -> None:
    inbox.put(stored, a_run("sent"))
    for number, content in enumerate(CONTENTS.values()):
        (stored / f"inbox/{number}.json").write_bytes(content)
    (stored / "inbox/link.json").symlink_to("/etc/passwd")
    (stored / "inbox/folder.json").mkdir()
    status, out, _ = call("queue", "--json")
    assert status == 0 and {run["id"] for run in json.loads(out)} == {"live", "sent"}
    with RunStore.open(stored) as store:
        assert [run.id for run in store.receive()] == ["sent"]
        assert len(store.notices) == len(CONTENTS) + 2 and not inbox.waiting(stored)


@pytest.mark.parametrize("name", ["results.json", "runs/live/epochs.jsonl", "owner.lock", "inbox"])
def test_a_folder_where_a_file_should_be_or_the_other_way_is_named(name: str, stored: Path, call: Call) -> None:
    path = stored / name
    path.unlink(missing_ok=True)
    if name == "inbox":
        path.write_text("")
    else:
        path.mkdir()
    for words in (*READING, ["doctor"], ["--data", "synthetic", "resume", "live"] if name != "inbox" else ["models"]):
        status, _, error = call(*words)
        if status and error:
            assert one_line(error) and name in error, error


# The process itself


def in_a_shell(home: Path, words: str, **variables: str) -> tuple[int, str]:
    """Exit status and whatever was said."""
    line = f'exec "$0" -c "from tui.cli import main; main()" {words}'
    done = subprocess.run(
        ["/bin/sh", "-c", line, PROGRAM[0]], capture_output=True, env=environment(home) | variables, timeout=60
    )
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(redirected: str, stored: Path) -> None:
    status, said = in_a_shell(stored, f"results {redirected}")
    assert status == 0 and "Error" not in said
    status, said = in_a_shell(stored, f"show nope {redirected}")
    assert status == 2 and "Error" not in said


def test_output_that_finds_no_room_is_told(stored: Path) -> None:
    status, said = in_a_shell(stored, "results > /dev/full")
    assert (status, said) == (1, "cifar-tui: cannot write the output: No space left on device\n")
    assert in_a_shell(stored, "show nope 2> /dev/full")[0] == 2


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_an_encoding_without_our_characters_does_no_harm(variables: dict[str, str], stored: Path) -> None:
    for words in ("results", "models", "queue", "show live"):
        status, said = in_a_shell(stored, words, **variables, PYTHONCOERCECLOCALE="0")
        assert status == 0 and "Error" not in said


def test_the_log_is_nobody_else_s_business_and_its_disk_may_refuse(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("cifar-tui")
    others = list(log.handlers)  # pytest's, which would show the words below to whoever reads its report

    def warn(words: str) -> None:
        record = log.makeRecord(log.name, logging.WARNING, __file__, 0, words, (), None)
        for handler in log.handlers:
            if handler not in others:
                handler.handle(record)

    log_under(home)
    warn("before there is a home")
    home.mkdir()
    before = os.umask(0)
    try:
        warn("now there is, \udcff")
    finally:
        os.umask(before)
    path = home / "cifar-tui.log"
    assert path.stat().st_mode & 0o777 == 0o600 and path.read_text() == "now there is, \\udcff\n"
    log_under(Path("/dev/null/x"))
    log_under(home / ("x" * 5000))
    warn("nowhere to go")
    assert capfd.readouterr() == ("", "")
