"""The app: three modes, the keys that hold everywhere, and the queue that its screens act on."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import SystemCommand
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import Screen

from store.errors import Problem
from store.records import Epoch, Run
from store.runs import RunStore, UnknownRun
from trainer.device import in_words
from trainer.queue import JobQueue, Tell
from tui.background import in_background
from tui.compare import model_name
from tui.deleting import DeletingApp
from tui.following import BETWEEN_LOOKS
from tui.guard import LOG_NAME, guarded_stderr
from tui.leaving import ended_by_signals
from tui.screens.base import AppScreen
from tui.screens.catalogue import CatalogueScreen
from tui.session import Session

if TYPE_CHECKING:
    from trainer.evaluate import Evaluation

log = logging.getLogger("cifar-tui")

MakeQueue = Callable[[Tell], JobQueue]
MOVES = ("cursor_", "page_", "scroll", "leave")  # actions that the palette does not list
MOST_NAMED = 2  # devices that the top line names
PATIENCE = 10.0  # seconds that leaving may wait for runs that are just being queued


def settle() -> None:
    """Collect garbage again, but never look again at what is there now: with many stored runs that would take long
    enough for a key to wait."""
    gc.collect()
    gc.freeze()
    gc.enable()


def later(module: str, name: str) -> Callable[[], Screen[None]]:
    """Makes a screen whose module is imported when it is first shown."""
    return lambda: cast("Screen[None]", getattr(import_module(f"tui.screens.{module}"), name)())


class CifarApp(DeletingApp):
    """Catalogue, queue and results. `queue` is None where another process owns the store: then all is for reading."""

    TITLE = "cifar-tui"
    CSS_PATH = "app.tcss"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[None]]]] = {
        "catalogue": CatalogueScreen,
        "queue": later("queue", "QueueScreen"),
        "results": later("results", "ResultsScreen"),
    }
    DEFAULT_MODE = "catalogue"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide"), (150, "-roomy")]  # noqa: RUF012 (Textual does not declare a ClassVar)
    VERTICAL_BREAKPOINTS = [(0, "-low"), (40, "-tall")]  # noqa: RUF012 (as above)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "mode('catalogue')", "Catalogue", show=False, id="catalogue", tooltip="Every network"),
        Binding("2", "mode('queue')", "Queue", show=False, id="queue", tooltip="What trains and what waits"),
        Binding("3", "mode('results')", "Results", show=False, id="results", tooltip="What every run has reached"),
        Binding("question_mark,f1", "help", "Help", key_display="?", id="help", tooltip="Show or hide this help"),
        Binding(
            "ctrl+down", "scroll_help(3)", "Scroll help", show=False, id="scroll-help-down", tooltip="Down in this help"
        ),
        Binding(
            "ctrl+up", "scroll_help(-3)", "Scroll help", show=False, id="scroll-help-up", tooltip="Up in this help"
        ),
        Binding(
            "q", "quit", "Quit", id="quit", tooltip="Leave at once; what trains is saved and goes on at the next start"
        ),
    ]

    def __init__(self, session: Session, store: RunStore, make_queue: MakeQueue) -> None:
        super().__init__(store, session.home)
        self.session = session
        self.source = session.source  # of the runs that are queued next
        self.examined: dict[tuple[str, int | None], Evaluation] = {}  # by run and best epoch: what was found inside
        self.devices: dict[str, str] = {}  # what runs call the devices that train here, by name, once that is known
        self.queue = make_queue(self.tell) if store.writable else None

    def on_mount(self) -> None:
        self.remember_theme()
        self.empty_trash()
        self.call_after_refresh(self.read_runs)  # the first frame comes before ten thousand runs, and before torch
        in_background(self, "devices", partial(in_words, self.session.devices), self.device_known)
        self.warn(*self.session.notices, *self.faults)
        self.check_keys(self)

    def begin(self) -> None:
        """What is stored is known: train what waits, or follow the program that does."""
        settle()
        self.warn(*self.store.notices)
        self.redraw()
        if self.queue is None:
            self.set_interval(BETWEEN_LOOKS, self.follow_owner)
        else:
            self.start_queue()
            self.set_interval(BETWEEN_LOOKS, self.take_in)

    def device_known(self, devices: dict[str, str]) -> None:
        self.devices = devices
        self.redraw()

    def redraw(self) -> None:
        """Something that a screen does not watch has changed. One that is only being made will look by itself."""
        if isinstance(self.screen, AppScreen) and self.screen.is_mounted:
            self.screen.news()

    def start_queue(self) -> None:
        """Start the workers, and go on with what waited."""
        if self.queue is not None:
            self.queue.start()
            try:
                self.queue.take_up()
            except Problem as problem:
                self.notify(str(problem), severity="error", timeout=20, markup=False)

    def take_in(self) -> None:
        """Take in the runs that other programs have handed over."""
        known = len(self.store.notices)
        try:
            for run in self.queue.receive() if self.queue else ():
                self.notify(f"{model_name(run.model)} {run.id} was handed over by another program", markup=False)
        except Problem as problem:
            log.warning("nothing could be taken in: %s", problem)
        self.warn(*self.store.notices[known:])

    @property
    def device(self) -> str:
        """What runs call the first device of this session; empty until that is known."""
        return next(iter(self.devices.values()), "")

    @property
    def device_names(self) -> dict[str, str]:
        """The devices that train here, by name: what runs call them, as far as that is known."""
        names = self.queue.devices if self.queue else self.session.devices
        return {name: self.devices.get(name, "") for name in names}

    @property
    def why_read_only(self) -> str:
        """Why nothing can be changed, and by whom it can."""
        owner = self.store.owner()
        return f"This home is in use by {owner or 'another process'}; here it can only be looked at."

    def session_in_words(self) -> tuple[list[str], str]:
        """For the top line: data and devices, and what must not be overlooked."""
        data = "CIFAR-10" if self.source.name == "cifar10" else "synthetic, not CIFAR-10"
        names = [device for device in self.device_names if device != "auto"]
        devices = " ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} devices"
        away = list(self.queue.lost_devices) if self.queue else []
        lost = [f"{', '.join(away) if len(away) <= MOST_NAMED else f'{len(away)} devices'} set aside"] if away else []
        return [data, *filter(None, [devices])], ", ".join(lost if self.queue else ["read only"])

    def epochs(self, id: str) -> list[Epoch]:
        """The epochs of a run; none for one that is being deleted, which a page may still show."""
        try:
            return self.store.epochs(id)
        except UnknownRun:
            return []

    def pop_screen(self) -> AwaitComplete:
        """Leave the top screen; the last one stays. Textual's palette closes at each key that comes before it is
        gone, and would take the mode's own screen with it."""
        return super().pop_screen() if len(self.screen_stack) > 1 else AwaitComplete()

    def action_mode(self, mode: str) -> None:
        """Go to a mode; when it is there already, from its pages back to its table."""
        if self.current_mode == mode:
            while len(self.screen_stack) > 1:
                self.pop_screen()
        else:
            self.switch_mode(mode)

    def action_help(self) -> None:
        from tui.widgets.help import Help  # it brings Markdown, which the first frame can do without

        if self.screen.query(Help):
            self.action_hide_help_panel()
        else:
            self.screen.mount(Help())
        self.screen.toggle_class("-helped")
        self.refresh_bindings()

    def action_scroll_help(self, by: int) -> None:
        self.screen.query_one("HelpPanel").scroll_relative(y=by, animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "scroll_help" or bool(self.screen.query("HelpPanel"))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Every action that has a key here, and the themes."""
        seen = set[str]()
        for node, binding, _, tooltip in screen.active_bindings.values():
            moves = binding.action.startswith(MOVES)
            if binding.description and binding.tooltip and binding.action not in seen and not moves:
                seen.add(binding.action)
                help = f"{tooltip} ({self.get_key_display(binding)})"
                yield SystemCommand(binding.description, help, partial(self.run_action, binding.action, node))
        yield SystemCommand("Theme", "Choose other colours", self.action_change_theme)


def run(session: Session, store: RunStore, make_queue: MakeQueue) -> tuple[list[Run], bool]:
    """Show the app until the user leaves it, then close its queue. Returns the runs that were in flight, now saved, and
    whether a signal ended the app: SIGTERM, or SIGHUP from a terminal that has gone.

    Raises Problem when the app itself ended with an error, which then stands in the log.
    """
    app = CifarApp(session, store, make_queue)
    with guarded_stderr(session.home / LOG_NAME), ended_by_signals(app, app.queue) as signal_came:
        app.run()
        for thread in app.unfinished:
            thread.join(PATIENCE)
        app.empty_trash()
        app.remembered.save()
        in_flight = app.queue.close() if app.queue else []
    if app.problem:
        raise app.problem
    if app.return_code:
        raise Problem(f"the app ended with an error, runs are saved; {session.home / LOG_NAME} tells more")
    return in_flight, signal_came.is_set()
