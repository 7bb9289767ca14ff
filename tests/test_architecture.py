"""What must hold of the whole: who imports whom, and what is imported when.

The contracts between packages stand in pyproject.toml and are checked by import-linter; here is what it cannot see.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FAMILY_FILES = sorted(
    path
    for path in (ROOT / "zoo").glob("*.py")
    if (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").count("Paper:")
)


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports anywhere."""
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def python(code: str, home: Path, *more: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *more],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"CIFAR_TUI_HOME": str(home), "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", FAMILY_FILES, ids=lambda path: path.stem)
def test_a_family_file_can_be_lifted_out_and_read_alone(path: Path) -> None:
    assert imported(path) <= sys.stdlib_module_names | {"torch"}


def test_there_are_family_files() -> None:
    assert len(FAMILY_FILES) >= 18


@pytest.mark.parametrize("command", ["models", "results", "queue", "models --json", "results --json", "queue --json"])
def test_listing_imports_neither_torch_nor_textual(command: str, tmp_path: Path) -> None:
    code = """
import sys
from tui.cli import status_of
assert status_of(sys.argv[1:]) == 0
print("BROUGHT", sorted({"torch", "textual", "numpy"} & set(sys.modules)))
"""
    assert python(code, tmp_path, *command.split()).splitlines()[-1] == "BROUGHT []"


def test_a_headless_training_never_imports_textual(tmp_path: Path) -> None:
    code = """
import sys
from tui.cli import status_of
words = "--data synthetic --device cpu train lenet --epochs 1 --set train_limit=128 --set test_limit=50"
assert status_of(words.split()) == 0
print("BROUGHT", sorted({"torch", "textual"} & set(sys.modules)))
"""
    assert python(code, tmp_path).splitlines()[-1] == "BROUGHT ['torch']"


def test_the_first_frame_is_drawn_before_torch_is_imported(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from pathlib import Path
from store.runs import RunStore
from trainer.queue import JobQueue, opener
from tui.app import CifarApp
from tui.session import Session

async def first_frame():
    home = Path(sys.argv[1])
    session = Session(home)
    with RunStore.open(home) as store:
        app = CifarApp(session, store, lambda tell: JobQueue(store, opener(session.source_of), ["cpu"], tell))
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert "LeNet" in app.export_screenshot()
            print("BROUGHT", sorted({"torch", "numpy", "torchvision"} & set(sys.modules)))
            app.exit()

asyncio.run(first_frame())
"""
    assert python(code, tmp_path, str(tmp_path / "home")).splitlines()[-1] == "BROUGHT []"


def test_only_one_file_starts_training_threads() -> None:
    starters = {
        path.relative_to(ROOT).as_posix()
        for package in ("trainer", "zoo", "store")
        for path in (ROOT / package).rglob("*.py")
        if "Thread(" in path.read_text(encoding="utf-8")
    }
    assert starters == {"trainer/queue.py"}


def test_the_map_of_the_trainer_names_each_file_once_and_no_other() -> None:
    text = ast.get_docstring(ast.parse((ROOT / "trainer" / "__init__.py").read_text(encoding="utf-8"))) or ""
    named = [name for line in text.splitlines() if line.startswith("- ") for name in line.split(": ")[1].split(", ")]
    files = [path.stem for path in (ROOT / "trainer").glob("*.py") if path.stem != "__init__"]
    assert sorted(named) == sorted([*files, "export", "kernels"])
