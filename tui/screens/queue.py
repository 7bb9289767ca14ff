"""The queue: what trains as cards, below them what waits and what has ended since the app began."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import ItemGrid, VerticalScroll
from textual.widgets import Static

from store.records import Run, Status
from trainer.queue import JobQueue
from tui import progress, words
from tui.compare import model_name, recipe_in_words, searched
from tui.estimate import Paces, still_to_come, together
from tui.readings import Readings
from tui.screens.base import RunsScreen, TableScreen
from tui.widgets.device import DevicePanel
from tui.widgets.filter import matches
from tui.widgets.live import LiveCard
from tui.widgets.table import Cell, Column, RecordTable, Tone

MOVE = Binding.Group("Move", compact=True)

TONES: dict[Status, Tone] = {"failed": "bad", "interrupted": "warn", "paused": "warn", "done": "good"}


def status(run: Run, width: int) -> Cell:
    return words.status(run), TONES.get(run.status, "plain")


def note(run: Run, width: int) -> Cell:
    """What there is to know: why it failed, how it ended, how far it came."""
    if run.error:
        return run.error, TONES.get(run.status, "plain")
    if run.status == "done":
        return f"best {words.percent(run.best_accuracy)}, last {words.percent(run.last_accuracy)}"
    so_far = f"{run.epochs_done} of {run.recipe.epochs} epochs"
    return run.notice or (so_far if run.epochs_done else ""), "quiet"


COLUMNS: list[Column[Run]] = [
    Column("model", "Model", 20, lambda run, width: model_name(run.model, width), rank=0, roomy=37),
    Column("status", "Status", 13, status, rank=1),
    Column("seed", "Seed", 4, lambda run, _: str(run.seed), rank=4, roomy=6, justify="right"),
    Column("recipe", "Recipe", 11, lambda run, _: recipe_in_words(run.recipe), rank=3, roomy=30),
    Column("note", "Note", 18, note, rank=2, roomy=60),
    Column("data", "Data", 9, lambda run, _: run.dataset, rank=6),
    Column("id", "Run", 5, lambda run, _: run.id, rank=5),
]


class QueueScreen(RunsScreen, TableScreen):
    """Watch runs, and decide what becomes of them."""

    AUTO_FOCUS = ""
    filter_hint = "model, status, run or recipe"
    HELP = """
        ### Queue
        Cards train now. Below them stands what waits, in order, then what has ended since you started the app.
        A key acts on the card or row that has the focus, or on all marked rows; `C` clears what has ended from
        this list. The line above the footer says when
        everything that trains or waits will be done, as far as own runs on this device tell.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "K",
            "move(-1)",
            "Sooner",
            key_display="K",
            group=MOVE,
            id="sooner",
            tooltip="Let the waiting run begin sooner",
        ),
        Binding(
            "J", "move(1)", "Later", key_display="J", group=MOVE, id="later", tooltip="Let the waiting run begin later"
        ),
        Binding("l", "log", "Log", id="log", tooltip="What happened to this run, its log file included"),
        Binding(
            "C",
            "clear",
            "Clear",
            show=False,
            id="clear",
            tooltip="Take what has ended out of this list; results keep it",
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.paces: tuple[dict[str, Run], Paces] | None = None  # what was last made of the runs, and of which
        self.followed = ""  # the run that had a card when something was done with it

    def compose_body(self) -> ComposeResult:
        yield from self.compose_filter()
        yield DevicePanel(Readings(self.cifar.session.devices))
        with VerticalScroll(id="live", can_focus=False):
            yield ItemGrid(id="cards", min_column_width=76, regular=True)
        yield RecordTable[Run](COLUMNS, id="waiting")
        yield Static(
            "Nothing waits. Go to the catalogue with 1, mark networks with space, queue them with a.", id="empty"
        )
        yield Static(id="count")

    def update_body(self) -> None:
        self.update_cards([run for run in self.cifar.runs.values() if run.status == "running"])
        query = self.query_text
        runs = self.in_order()
        rows = {run.id: run for run in runs if matches(query, searched(run))}
        self.table.show(rows, among=[run.id for run in runs])
        self.query_one("#empty").display = self.cifar.knows_runs and not rows and not query
        self.table.display = bool(rows or query)
        self.query_one("#count", Static).update(self.in_words())
        if self.followed in rows:
            self.table.put_cursor(self.followed)
            self.table.focus()
            self.followed = ""

    def in_words(self) -> str:
        """How much there is to do, and when it will be done."""
        runs = [run for run in self.cifar.runs.values() if run.status in {"running", "queued"}]
        if not runs:
            return ""
        live = sum(run.status == "running" for run in runs)
        parts = [f"{words.several(live, 'run')} training"] if live else []
        parts += [f"{len(runs) - live} waiting"] if len(runs) > live else []
        if self.paces is None or self.paces[0] is not self.cifar.runs:
            self.paces = self.cifar.runs, Paces(self.cifar.runs.values(), self.cifar.device)
        known, unknown = still_to_come(runs, self.cifar.steps, self.paces[1])
        if known:
            whole = together(known, len(self.cifar.session.devices))
            left = ("" if whole.measured else "about ") + words.time_left(whole.seconds)
            parts.append(
                f"{left} and more left" if unknown else f"{left} left in all, done {progress.end(whole.seconds)}"
            )
        if unknown:
            parts.append(f"{unknown} of unknown length")
        return " · ".join(parts)

    def in_order(self) -> list[Run]:
        """What waits, in the order in which it will train, then what has ended in this session, the newest first."""
        runs = self.cifar.runs.values()
        waiting = sorted((run for run in runs if not run.is_over and run.status != "running"), key=lambda r: r.position)
        ended = [run for run in runs if run.is_over and run.id in self.cifar.ended]
        return waiting + sorted(ended, key=lambda run: run.finished or run.created, reverse=True)

    def update_cards(self, live: list[Run]) -> None:
        """A card for each run that trains."""
        cards = {card.run_id: card for card in self.query(LiveCard)}
        free = [cards[id] for id in cards.keys() - {run.id for run in live}]
        for run in live:
            epochs = partial(self.cifar.epochs, run.id)
            step = self.cifar.steps.get(run.id)
            if card := cards.get(run.id) or (free.pop() if free else None):  # the next run takes over card and focus
                card.show(run, step, epochs)
            else:
                self.query_one("#cards").mount(LiveCard(run, step, epochs))
        for card in free:
            card.remove()
        self.query_one("#live").display = bool(live)
        self.call_after_refresh(self.keep_focus)

    def keep_focus(self) -> None:
        """Something is always under the keys: a card, or else the table."""
        if self.is_current and (self.focused is None or not self.focused.display):
            cards = self.query(LiveCard)
            self.set_focus(cards.first() if cards else self.table if self.table.display else None)

    @on(LiveCard.Left)
    def leave_card(self, event: LiveCard.Left) -> None:
        cards = list(self.query(LiveCard))
        place = cards.index(event.card) + event.by
        if place >= len(cards):
            if self.table.display:
                self.table.focus()
        else:
            cards[max(place, 0)].focus()

    @on(RecordTable.OverTheTop)
    def leave_table(self) -> None:
        if cards := self.query(LiveCard):
            cards.last().focus()

    def for_each(self, act: Callable[[JobQueue, str], object]) -> None:
        if isinstance(self.focused, LiveCard):
            self.followed = self.focused.run_id  # into the table, where the next key finds it
        super().for_each(act)

    def chosen(self) -> list[str]:
        """The runs that a key is meant for: the card with the focus, or what is chosen in the table."""
        if isinstance(self.focused, LiveCard):
            return [self.focused.run_id]
        return self.table.chosen

    def action_move(self, by: int) -> None:
        """Move the waiting run under the cursor."""
        if isinstance(self.focused, RecordTable) and (id := self.table.current) is not None:
            self.with_queue(lambda queue: queue.move(id, by))

    def action_log(self) -> None:
        """The log of the run under the cursor."""
        current = self.focused.run_id if isinstance(self.focused, LiveCard) else self.table.current
        if current:
            from tui.screens.log import LogPage

            self.app.push_screen(LogPage(current))

    def action_clear(self) -> None:
        """Forget here what has ended."""
        self.cifar.ended.clear()
        self.update_body()

    @on(LiveCard.Opened)
    def open_card(self, event: LiveCard.Opened) -> None:
        self.open_run(event.run_id)

    @on(RecordTable.RowSelected)
    def open_row(self, event: RecordTable.RowSelected) -> None:
        if event.row_key.value is not None:
            self.open_run(event.row_key.value)

    def open_run(self, id: str) -> None:
        from tui.screens.run import RunPage

        self.app.push_screen(RunPage(id))
