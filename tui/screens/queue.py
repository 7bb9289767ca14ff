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

from store.records import Run
from trainer.estimate import Paces
from trainer.queue import JobQueue
from tui import progress, words
from tui.compare import model_name, searched
from tui.estimate import still_to_come, together
from tui.queued import columns, note
from tui.readings import Readings
from tui.screens.base import RunsScreen, TableScreen
from tui.widgets.device import DevicePanel
from tui.widgets.filter import matches
from tui.widgets.live import CARD_WIDTH, LOWEST_CARD, LiveCard, card_height
from tui.widgets.table import Cell, RecordTable

MOST_CARDS = 12  # runs that train beyond these are rows: a screen of two hundred cards would do nothing but draw

MOVE = Binding.Group("Move", compact=True)


class QueueScreen(RunsScreen, TableScreen):
    """Watch runs, and decide what becomes of them."""

    AUTO_FOCUS = ""
    filter_hint = "model, status, run or recipe"
    HELP = """
        ### Queue
        Cards train now, twelve at most; what else trains stands in the first rows. Below is what waits, in order,
        then what has ended since you started the app. A key acts on the card or row that has the focus, or on all
        marked rows; `C` clears what has ended from this list. The line above the footer says when everything that
        trains or waits will be done, as far as own runs on this device tell.

        With several devices a run that is queued takes its place by its expected length, the longest first; what you
        have moved by hand, and all before it, keeps its place. A device takes the first run in the list that it may
        train: `P` pins a run to one.
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
        Binding("P", "pin", "Pin", key_display="P", id="pin", tooltip="Choose the device that alone may train the run"),
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
        self.lost = set[str]()  # devices that were known to be set aside when the rows were drawn
        self.followed = ""  # the run that had a card when something was done with it

    def compose_body(self) -> ComposeResult:
        yield from self.compose_filter()
        yield DevicePanel(Readings(self.cifar.session.devices))
        with VerticalScroll(id="live", can_focus=False):
            yield ItemGrid(id="cards", min_column_width=CARD_WIDTH, regular=True)
        yield RecordTable[Run](columns(self.note), id="waiting")
        yield Static(
            "Nothing waits. Go to the catalogue with 1, mark networks with space, queue them with a.", id="empty"
        )
        yield Static(id="count")

    def update_body(self) -> None:
        live = [run for run in self.cifar.runs.values() if run.status == "running"]
        devices = {name: place for place, name in enumerate(self.cifar.device_names)}
        live.sort(key=lambda run: devices.get(run.device_id, len(devices)))
        self.update_cards(live[:MOST_CARDS])
        query = self.query_text
        runs = live[MOST_CARDS:] + self.in_order()
        rows = {run.id: run for run in runs if matches(query, searched(run))}
        self.table.show(rows, among=[run.id for run in runs])
        if self.cifar.queue and (lost := set(self.cifar.queue.lost_devices)) != self.lost:
            self.lost = lost
            self.table.redraw()
        self.query_one("#empty").display = self.cifar.knows_runs and not rows and not query
        self.table.display = bool(rows or query)
        self.query_one("#count", Static).update(self.in_words())
        if self.followed in rows:
            self.table.put_cursor(self.followed)
            self.table.focus()
            self.followed = ""

    def in_words(self) -> str:
        """How much there is to do, when it will be done, and what cannot be done here."""
        runs = [run for run in self.cifar.runs.values() if run.status in {"running", "queued"}]
        stuck = {run.id: why for run in runs if (why := self.why_it_waits(run))}
        able = sorted(
            (run for run in runs if run.id not in stuck), key=lambda run: (run.status == "queued", run.position)
        )
        live = sum(run.status == "running" for run in able)
        parts = [f"{words.several(live, 'run')} training"] if live else []
        parts += [f"{len(able) - live} waiting"] if len(able) > live else []
        if self.paces is None or self.paces[0] is not self.cifar.runs:
            self.paces = self.cifar.runs, Paces(self.cifar.runs.values(), self.cifar.device)
        left = still_to_come(able, self.cifar.steps, self.paces[1])
        known = [(run, estimate) for run in able if (estimate := left[run.id])]
        unknown = len(able) - len(known)
        if known:
            bound = [run.device_id if run.status == "running" else run.pinned_to for run, _ in known]
            whole = together([estimate for _, estimate in known], list(self.cifar.device_names), bound)
            time = ("" if whole.measured else "about ") + words.time_left(whole.seconds)
            parts.append(
                f"{time} and more left" if unknown else f"{time} left in all, done {progress.end(whole.seconds)}"
            )
        if unknown:
            parts.append(f"{unknown} of unknown length")
        if stuck:
            parts.append(f"{len(stuck)} cannot begin: {next(iter(stuck.values()))}")
        return " · ".join(parts)

    def note(self, run: Run) -> Cell:
        """What there is to know of a run."""
        pin = run.pinned_to or ""
        state = "is set aside" if self.cifar.queue and pin in self.cifar.queue.lost_devices else "is not here"
        return note(run, f"{pin} {state}" if pin and self.why_it_waits(run) else None)

    def why_it_waits(self, run: Run) -> str | None:
        """Why no device here can train a run that is queued."""
        return self.cifar.queue.why_it_waits(run) if self.cifar.queue and run.status == "queued" else None

    def in_order(self) -> list[Run]:
        """What waits, in the order in which it will train, then what has ended in this session, the newest first."""
        runs = self.cifar.runs.values()
        waiting = sorted((run for run in runs if not run.is_over and run.status != "running"), key=lambda r: r.position)
        ended = [run for run in runs if run.is_over and run.id in self.cifar.ended]
        return waiting + sorted(ended, key=lambda run: run.finished or run.created, reverse=True)

    def update_cards(self, live: list[Run]) -> None:
        """A card for each run that trains, as high as there is room for all of them."""
        self.fit_cards(len(live))
        cards = {card.run_id: card for card in self.query(LiveCard)}
        free = [cards[id] for id in cards.keys() - {run.id for run in live}]
        for run in live:
            epochs = partial(self.cifar.epochs, run.id)
            step = self.cifar.steps.get(run.id)
            card = cards.get(run.id)
            if card is None and free:  # the next run takes over card and focus, of the same device if that can be
                card = next((one for one in free if one.run and one.run.device_id == run.device_id), free[0])
                free.remove(card)
            if card is not None:
                card.show(run, step, epochs)
            else:
                self.query_one("#cards").mount(LiveCard(run, step, epochs, elsewhere=self.cifar.queue is None))
        for card in free:
            card.remove()
        order = [run.id for run in live]
        if [card.run_id for card in self.query(LiveCard) if card.run_id in order] != order:
            self.query_one("#cards").sort_children(
                key=lambda card: order.index(card.run_id) if isinstance(card, LiveCard) and card.run_id in order else -1
            )
        self.query_one("#live").display = bool(live)
        self.call_after_refresh(self.keep_focus)

    def fit_cards(self, number: int) -> None:
        """Give each of so many cards its height."""
        grid, height = self.query_one("#cards", ItemGrid), card_height(number, self.size.width, self.size.height)
        grid.styles.grid_rows = str(height)
        grid.set_class(height < LOWEST_CARD, "-dense")

    def on_resize(self) -> None:
        if self.is_mounted:  # else there are no cards yet, and they will be given their height
            self.fit_cards(len(self.query(LiveCard)))

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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is something to pin where there are several devices, or a pin to take away."""
        if action == "pin":
            waiting = (run for run in self.cifar.runs.values() if not run.is_over)
            return len(self.cifar.device_names) > 1 or any(run.pinned_to for run in waiting)
        return super().check_action(action, parameters)

    def action_pin(self) -> None:
        """Choose the device for the chosen runs."""
        from tui.screens.pin import Pin, PinDialog

        runs = [run for id in self.chosen() if (run := self.cifar.runs.get(id)) and not run.is_over]
        if not runs or self.queue_or_say_why() is None:
            return
        if busy := next((run for run in runs if run.status == "running"), None):
            said = f"{model_name(busy.model)} trains on {busy.device_id} now: pause it, pin it, and let it go on"
            self.notify(said, severity="warning", markup=False)
            return

        def pin(chosen: Pin | None) -> None:
            if chosen is not None:
                self.with_queue(lambda queue: [queue.pin(run.id, chosen.device) for run in runs])

        several = words.several(len(runs), "run")
        title = f"Pin {model_name(runs[0].model)} to" if len(runs) == 1 else f"Pin {several} to"
        self.app.push_screen(PinDialog(title, self.cifar.device_names, runs[0].pinned_to), pin)

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
