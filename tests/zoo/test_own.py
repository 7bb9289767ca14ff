from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from zoo import CARDS, UnfitModel, UnknownModel, build, select
from zoo.own import GROUP, add_files, add_installed, cards_of, read, require_fit

GOOD = '''
"""My net: one layer."""
from torch import nn

def my_net(classes: int = 10) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, classes))
'''

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalogue, the search path and the modules are afterwards as they were."""
    cards, modules = dict(CARDS), set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    CARDS.clear()
    CARDS.update(cards)
    for name in sys.modules.keys() - modules:
        if name.startswith(("own_", "nets_of")):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of models: `write(text, name)`."""

    def write(text: str | bytes = GOOD, name: str = "my_net.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    return write


@pytest.fixture
def package(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs a package that offers models: its entry points, and files by name."""
    monkeypatch.syspath_prepend(tmp_path / "site")

    def install(offers: dict[str, str], files: dict[str, str]) -> None:
        folder = "site/nets_of_somebody-1.0.dist-info"
        write("Metadata-Version: 2.1\nName: nets-of-somebody\nVersion: 1.0\n", f"{folder}/METADATA")
        lines = "\n".join(f"{name} = {value}" for name, value in offers.items())
        write(f"[{GROUP}]\n{lines}\n", f"{folder}/entry_points.txt")
        for name, text in files.items():
            write(text, f"site/{name}")

    return install


def refusal(*paths: Path) -> str:
    """The line with which these files are refused; the catalogue is then as before."""
    before = dict(CARDS)
    with pytest.raises(UnfitModel) as caught:
        add_files(paths)
    assert before == CARDS
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_in_the_catalogue_after_all_others_and_says_what_it_costs(write: Write) -> None:
    path = write()
    add_files([path])
    card = list(CARDS.values())[-1]
    assert (card.id, card.family, card.count) == ("my_net", "own", "own")
    assert (card.params, card.macs) == (30_730, 30_720)
    assert card.activations == 4 * 3 * 32 * 32, "the image, which the linear layer keeps"
    assert card.paper is None and card.published is None and card.year is None
    assert card.own and card.own.path == path
    assert card.story == "My net: one layer."
    assert card.source == path.read_text()


def test_its_network_is_built_like_every_other(write: Write) -> None:
    add_files([write()])
    torch.manual_seed(3)
    once = build("my_net")
    torch.manual_seed(3)
    again = build("my_net")
    assert once(torch.zeros(4, 3, 32, 32)).shape == (4, 10)
    assert all(torch.equal(a, b) for a, b in zip(once.parameters(), again.parameters(), strict=True))


def test_a_file_may_hold_several_models_beside_functions_that_are_none(write: Write) -> None:
    text = """
        from torch import nn

        def _head(classes=10): raise AssertionError
        def block(width): raise AssertionError
        def wide(classes=10, *more): raise AssertionError
        def needs(classes): raise AssertionError
        async def later(classes=10): raise AssertionError
        class Net(nn.Module):
            def method(classes=10): raise AssertionError

        def small(classes: int = 10) -> nn.Module:
            return nn.Sequential(nn.Flatten(), nn.Linear(3072, classes))
        def large(classes=10):
            return nn.Sequential(nn.Flatten(), nn.Linear(3072, 20), nn.Linear(20, classes))
    """
    add_files([write(text)])
    assert [card.id for card in select("own")] == ["small", "large"]


def test_two_files_are_taken_in_and_one_that_comes_twice_counts_once(write: Write) -> None:
    other = write(GOOD.replace("my_net", "other_net"), "other.py")
    add_files([write(), other, write()])
    assert [card.id for card in select("own")] == ["my_net", "other_net"]


def test_its_digest_follows_its_text(write: Write) -> None:
    digests = [read(write(text)).digest for text in (GOOD, GOOD, GOOD + "# better")]
    assert digests[0] == digests[1] != digests[2]


def test_what_lies_beside_the_file_can_be_imported_and_what_it_prints_is_not_output(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("WIDTH = 7\n", "own_blocks.py")
    write("raise AssertionError('taken for the library')\n", "colorsys.py")
    text = """
        import colorsys
        from dataclasses import dataclass
        from own_blocks import WIDTH
        from torch import nn
        print("hello")

        @dataclass
        class Sizes:
            width: "int" = WIDTH

        def my_net(classes=10):
            print("building")
            return nn.Sequential(nn.Flatten(), nn.Linear(3072, Sizes().width), nn.Linear(Sizes().width, classes))

        if __name__ == "__main__":
            raise AssertionError("imported, not started")
    """
    add_files([write(text)])
    assert capsys.readouterr().out == ""
    assert CARDS["my_net"].params == 3072 * 7 + 7 + 7 * 10 + 10


def test_a_network_that_asks_tensors_for_numbers_is_tried_for_real(write: Write) -> None:
    text = """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self, classes):
                super().__init__()
                self.rate = [x.item() for x in torch.linspace(0, 0.5, 3)][1]
                self.norm = nn.BatchNorm2d(3)
                self.head = nn.Linear(3072, classes)
            def forward(self, x):
                if self.norm(x).mean().item() > 100:
                    x = x / 2
                return self.head(x.flatten(1))

        def my_net(classes=10):
            return Net(classes)
    """
    state = torch.random.get_rng_state()
    add_files([write(text)])
    assert (CARDS["my_net"].params, CARDS["my_net"].macs) == (30_736, 30_720)
    assert torch.equal(torch.random.get_rng_state(), state)


HEAD = "from torch import nn\nimport torch\n"
LINEAR = "nn.Sequential(nn.Flatten(), nn.Linear(3072, classes))"
FORGETS = f"""
{HEAD}
class n_(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layers = {LINEAR}
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, images):
        self.seen = self.seen + len(images)
        return self.layers(images)

def n(classes=10): return n_(classes)
"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import no_such\ndef n(classes=10): ...", "ModuleNotFoundError: No module named 'no_such' (line 1)"),
        ("def n(classes=10): ...\n\nwrong", "my_net.py cannot be imported: NameError: name 'wrong'"),
        ("raise SystemExit(0)\ndef n(classes=10): ...", "my_net.py cannot be imported: SystemExit: 0 (line 1)"),
        ("def n(classes=10):\n    retur 1 +\n", "my_net.py, line 2: SyntaxError: "),
        (b"def n(classes=10): ...\n\0", "null bytes"),
        (b"def n(classes=10):\n    '\xff'\n", "my_net.py is not UTF-8 text: byte 24"),
        (b"# \xff\n", "my_net.py is not UTF-8 text"),
        (b"# coding: klingon\n", "my_net.py is not UTF-8 text: unknown encoding: klingon"),
        ("", "my_net.py offers no model: define one as `def my_net(classes: int = 10)`"),
        ("def n(num_classes=10): ...", "; n(num_classes=10) is not of this form"),
        ("def n(classes=10):\n    raise ValueError('no')", "my_net.py: n cannot be built: ValueError: no (line 2)"),
        ("def n(classes=10):\n    return 'net'", "my_net.py: n returns a str; it has to return a torch.nn.Module"),
        ("def n(classes=10): ...\nn = 3", "my_net.py: n cannot be built: TypeError"),
        (f"{HEAD}def n(classes=10): return nn.Flatten()", "my_net.py: n has no parameters to train"),
        (f"{HEAD}def n(classes=10): return {LINEAR}.requires_grad_(False)", "my_net.py: n has no parameters to train"),
        (f"{HEAD}def n(classes=10): return nn.LazyLinear(classes)", "my_net.py: n has lazy layers"),
        (FORGETS, "my_net.py: n has seen replaced in forward; write into it instead: self.seen.copy_(…)"),
        (FORGETS.replace("return n_(classes)", "return nn.Sequential(n_(classes))"), "n has 0.seen replaced in for"),
        (f"{HEAD}def n(classes=10): return nn.Linear(224 * 224, classes)", "does not take a batch of 3×32×32 images: "),
        (f"{HEAD}def n(classes=10): return {LINEAR.replace('classes', '100')}", "scores of shape 2×100 for 2 images"),
        (f"{HEAD}def n(classes=10): return nn.Sequential(nn.Conv2d(3, classes, 1))", "scores of shape 2×10×32×32"),
        (f"{HEAD}def n(classes=10): return nn.LSTM(32, 10)", "my_net.py: n does not take"),
    ],
)  # fmt: skip
def test_a_file_that_will_not_do_is_refused_in_one_line_that_says_why(
    write: Write, text: str | bytes, line: str
) -> None:
    assert line in refusal(write(text))


def test_scores_must_come_as_one_tensor_that_depends_on_the_parameters(write: Write) -> None:
    text = """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = nn.Linear(3072, 10)
            def forward(self, x):
                return RESULT

        def my_net(classes=10):
            return Net()
    """
    two = text.replace("RESULT", "self.head(x.flatten(1)), x")
    assert "my_net gives a tuple; it has to give one tensor" in refusal(write(two, "two.py"))
    cut = text.replace("RESULT", "self.head(x.flatten(1)).detach()")
    assert "my_net gives scores that do not depend on its parameters" in refusal(write(cut, "cut.py"))


def test_an_id_that_is_taken_is_refused_whoever_has_it(write: Write) -> None:
    assert "the catalogue already has a lenet" in refusal(write(GOOD.replace("my_net", "lenet")))
    assert "vgg already names several models" in refusal(write(GOOD.replace("my_net", "vgg")))
    assert "published already names several models" in refusal(write(GOOD.replace("my_net", "published")))
    one, other = write(GOOD, "one.py"), write(GOOD, "other.py")
    assert f"other.py: the catalogue already has a my_net, from {one}" in refusal(one, other)
    add_files([one])
    assert "already has a my_net" in refusal(other)
    add_files([one])  # the same file may come again


def test_what_is_not_a_python_file_is_refused(write: Write, tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere.py") == f"there is no file {tmp_path / 'nowhere.py'}"
    assert "is a folder" in refusal(tmp_path)
    assert "is not a Python file" in refusal(write("text", "my_net.txt"))


def test_one_bad_file_keeps_the_good_ones_out(write: Write) -> None:
    assert "bad.py" in refusal(write(), write("", "bad.py"))


def test_a_file_is_read_without_being_run(write: Write) -> None:
    file = read(write(f"raise AssertionError\n{GOOD}"))
    assert [card.id for card in cards_of(file)] == ["my_net"]


def test_naming_the_file_instead_of_the_model_is_answered_with_the_way() -> None:
    with pytest.raises(UnknownModel, match=r"cifar-tui --models my_net\.py models"):
        select("my_net.py")


def test_a_package_offers_models_and_is_imported_when_one_is_built(package: Callable[..., None]) -> None:
    files = {"nets_of/__init__.py": "from torch import nn\n", "nets_of/deep/nets.py": f"from nets_of import nn\n{GOOD}"}
    package({"nets": "nets_of.deep.nets"}, files | {"nets_of/deep/__init__.py": ""})
    assert add_installed() == []
    card = CARDS["my_net"]
    assert (card.family, card.params, card.macs) == ("own", None, None)
    assert card.story == "", "its docstring does not come first"
    assert "nets_of" not in sys.modules
    require_fit(["lenet", "my_net"])
    assert CARDS["my_net"].params == 30_730
    assert isinstance(build("my_net"), nn.Sequential)
    assert sys.modules["nets_of.deep.nets"].__dict__["my_net"]


def test_an_entry_point_may_name_one_factory(package: Callable[..., None]) -> None:
    text = GOOD + GOOD.replace("my_net", "other_net")
    package({"other": "nets_of_one:other_net"}, {"nets_of_one.py": text})
    assert add_installed() == []
    assert [card.id for card in select("own")] == ["other_net"]


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        ("nets_of_nobody", "there is no module nets_of_nobody"),
        ("nets_of.no_such_file", "there is no module nets_of.no_such_file"),
        ("nets_of.broken", "broken.py, line 1: SyntaxError"),
        ("nets_of.empty", "empty.py offers no model"),
        ("nets_of.good:no_such_net", "good.py offers no model no_such_net"),
        ("nets_of.taken", "the catalogue already has a lenet"),
        ("sys", "sys is not a Python file"),
        ("?", "AttributeError"),
    ],
)
def test_a_broken_package_is_left_out_with_one_line(package: Callable[..., None], offer: str, why: str) -> None:
    files = {"__init__": "", "broken": "def", "empty": "", "good": GOOD, "taken": GOOD.replace("my_net", "lenet")}
    package({"a": offer, "b": "nets_of.good"}, {f"nets_of/{name}.py": text for name, text in files.items()})
    (notice,) = add_installed()
    assert why in notice and "package nets-of-somebody" in notice and "\n" not in notice
    assert [card.id for card in select("own")] == ["my_net"], "the others are there"


def test_a_package_whose_code_fails_is_refused_when_its_model_is_wanted(package: Callable[..., None]) -> None:
    package({"a": "nets_of_bad"}, {"nets_of_bad.py": f"{GOOD}\nimport no_such_library"})
    assert add_installed() == []
    with pytest.raises(UnfitModel, match=r"nets_of_bad\.py cannot be imported: ModuleNotFoundError.*\(line 8\)"):
        require_fit(["my_net"])


def test_a_file_that_is_named_goes_before_an_installed_package(package: Callable[..., None], write: Write) -> None:
    package({"a": "nets_of_one"}, {"nets_of_one.py": GOOD})
    path = write()
    add_files([path])
    (notice,) = add_installed()
    assert "already has a my_net" in notice
    assert CARDS["my_net"].own and CARDS["my_net"].own.path == path
