"""The language in which one filters results: `acc>0.9 family:resnet not status:failed`.

A word is looked for loosely in all that is written about a run. `field:part` looks in one field, `field>number`
compares; `not` turns round what follows it. A run is found when every term holds. A term that cannot be understood is
left out, and one line says what can be written instead.
"""

from __future__ import annotations

import difflib
import operator
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from store.errors import UsageProblem
from store.records import Run
from tui.compare import published_accuracy, recipe_in_words, searched
from tui.widgets.filter import matches, occurs
from zoo import CARDS

Test = Callable[[Run], bool]


@dataclass(frozen=True, slots=True)
class NumberField:
    """What can be compared."""

    value: Callable[[Run], float | None]
    read: Callable[[str], float]  # from what was typed; raises ValueError
    example: str


def fraction(text: str) -> float:
    """`0.9`, `90%` and `90` are the same accuracy."""
    value = float(text.removesuffix("%"))
    return value / 100 if text.endswith("%") or value > 1 else value


def points(text: str) -> float:
    """`-0.5`: half a point below. A real minus sign will do, too."""
    return float(text.replace("−", "-")) / 100


def amount(text: str) -> float:
    """`11M`, `62k`, `62006`."""
    unit = text[-1:].lower()
    scale = {"k": 1e3, "m": 1e6, "g": 1e9}.get(unit, 1.0)
    return float(text.replace(",", "").rstrip("kKmMgG")) * scale


def seconds(text: str) -> float:
    """`90`, `90s`, `5m`, `2h`, `1h30m`."""
    if not re.fullmatch(r"(?:\d+(?:\.\d+)?[hms]?)+", text):
        raise ValueError(text)
    pieces = re.findall(r"(\d+(?:\.\d+)?)([hms]?)", text)
    return sum(float(number) * {"h": 3600, "m": 60}.get(unit, 1) for number, unit in pieces)


def gained(run: Run) -> float | None:
    """How far its best accuracy lies from the published one."""
    published = published_accuracy(run)
    if published is None or run.best_accuracy is None:
        return None
    return round(run.best_accuracy - published, 4)  # as it is shown: in hundredths of a point


NUMBERS: dict[str, NumberField] = {
    "acc": NumberField(lambda run: run.best_accuracy, fraction, "acc>0.9"),
    "best": NumberField(lambda run: run.best_accuracy, fraction, "best>90%"),
    "last": NumberField(lambda run: run.last_accuracy, fraction, "last<0.5"),
    "diff": NumberField(gained, points, "diff>-0.5"),
    "epochs": NumberField(lambda run: run.epochs_done, float, "epochs>=100"),
    "seed": NumberField(lambda run: run.seed, float, "seed:0"),
    "params": NumberField(lambda run: run.params, amount, "params<1M"),
    "time": NumberField(lambda run: run.seconds, seconds, "time>1h30m"),
}
TEXTS: dict[str, Callable[[Run], str]] = {
    "family": lambda run: CARDS[run.model].family if run.model in CARDS else "",
    "model": lambda run: f"{run.model} {CARDS[run.model].name if run.model in CARDS else ''}",
    "status": lambda run: run.status,
    "data": lambda run: run.dataset,
    "device": lambda run: run.device,
    "recipe": lambda run: recipe_in_words(run.recipe),
    "tag": lambda run: " ".join(run.tags),
    "note": lambda run: run.note,
    "id": lambda run: run.id,
}
FIELDS = (*NUMBERS, *TEXTS)
"""Everything that can stand before an operator."""

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    ":": operator.eq,
}
TERM = re.compile(r"(?P<field>[A-Za-z_]+)(?P<operator>>=|<=|!=|>|<|=|:)(?P<value>.*)", re.DOTALL)
_written: dict[str, tuple[Run, str]] = {}  # by run id: what was written about it when it was last looked at
EQUAL = 1e-9  # numbers as near as this are equal


def read_filter(query: str) -> tuple[Test, str]:
    """What a run must be to be found, and what of the query cannot be understood, in one line: that is left out.

    An empty query finds everything.
    """
    tests: list[Test] = []
    faults: list[str] = []
    is_turned = False
    for term in _terms(query):
        if term.lower() == "not":
            is_turned = not is_turned
            continue
        try:
            test = _test(term)
        except UsageProblem as problem:
            faults.append(str(problem))
        else:
            tests.append(_turned(test) if is_turned else test)
        is_turned = False
    if is_turned:
        faults.append("after not there should be something, e.g. not status:failed")
    test = tests[0] if len(tests) == 1 else lambda run: all(test(run) for test in tests)
    return test, faults[0] if faults else ""


def _terms(query: str) -> list[str]:
    """Words, with `"…"` around those that have spaces in them. A quote that is not closed yet reaches to the end."""
    for closing in ("", '"'):
        lexer = shlex.shlex(query + closing, posix=True)
        lexer.whitespace_split, lexer.quotes, lexer.escape, lexer.commenters = True, '"', "", ""
        try:
            return list(lexer)
        except ValueError:
            continue
    return query.split()


def _turned(test: Test) -> Test:
    return lambda run: not test(run)


def _test(term: str) -> Test:
    """One term as a test. `k=12` is no field but part of a configuration, and so a word."""
    parts = TERM.fullmatch(term)
    if parts is None or (parts["field"].lower() not in FIELDS and _is_in_a_configuration(term)):
        word = term.lower()
        return lambda run: occurs(word, written_about(run))
    field, sign, value = parts["field"].lower(), parts["operator"], parts["value"]
    if field in NUMBERS:
        return _number_test(field, sign, value)
    if field in TEXTS:
        return _text_test(field, sign, value)
    near = difflib.get_close_matches(field, FIELDS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageProblem(f"there is no field {field}: {hint}there is {', '.join(FIELDS)}")


def written_about(run: Run) -> str:
    """The text in which a word is looked for. It is kept, for ten thousand runs are searched at each letter."""
    known = _written.get(run.id)
    if known is None or known[0] is not run:
        known = _written[run.id] = (run, " ".join((searched(run), *run.tags, run.note)).lower())
    return known[1]


def _number_test(field: str, sign: str, value: str) -> Test:
    known, compare = NUMBERS[field], COMPARISONS[sign]
    try:
        wanted = known.read(value)
    except ValueError:
        raise UsageProblem(f"{field} is compared with a number, e.g. {known.example}") from None

    def test(run: Run) -> bool:
        found = known.value(run)
        if found is None:
            return False
        return compare(wanted if abs(found - wanted) < EQUAL else found, wanted)

    return test


def _text_test(field: str, sign: str, value: str) -> Test:
    text = TEXTS[field]
    wanted = value.lower()
    match sign:
        case ":" if field == "model":  # `rn50` is ResNet-50, as it is in the catalogue
            return lambda run: matches(wanted, text(run))
        case ":":
            return lambda run: wanted in text(run).lower()
        case "=":
            return lambda run: wanted in {text(run).lower(), *text(run).lower().split()}
        case "!=":
            return lambda run: wanted not in {text(run).lower(), *text(run).lower().split()}
    raise UsageProblem(f"{field} is text: it has {field}:part, {field}=whole and {field}!=whole")


def _is_in_a_configuration(word: str) -> bool:
    return any(word.lower() in card.config.lower() for card in CARDS.values())
