"""The app: three modes, the keys that hold everywhere, and what is known of every run.

News comes from the trainings' threads through one mailbox (see tui/messages.py). Screens watch `runs` and `steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.reactive import var
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import HelpPanel

from store.records import Run, Step
from store.runs import RunStore
from trainer.queue import JobQueue, Tell
from tui import words
from tui.compare import model_name
from tui.guard import LOG_NAME, guarded_stderr
from tui.messages import Mailbox, News
from tui.screens.catalogue import CatalogueScreen
from tui.session import Session
from tui.theme import THEMES

MakeQueue = Callable[[Tell], JobQueue]
BETWEEN_NEWS = 0.25  # seconds: how often the mailbox is emptied at most
BETWEEN_LOOKS = 1.0  # seconds: how often the store of another process is read


def queue_screen() -> Screen[None]:
    from tui.screens.queue import QueueScreen

    return QueueScreen()


def results_screen() -> Screen[None]:
    from tui.screens.results import ResultsScreen

    return ResultsScreen()


class CifarApp(App[None]):
    """Catalogue, queue and results. `queue` is None when another process owns the store."""

    TITLE = "cifar-tui"
    CSS_PATH = "app.tcss"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[None]]]] = {
        "catalogue": CatalogueScreen,
        "queue": queue_screen,
        "results": results_screen,
    }
    DEFAULT_MODE = "catalogue"
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-narrow"), (110, "-wide")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "mode('catalogue')", "Catalogue", show=False, tooltip="Every network"),
        Binding("2", "mode('queue')", "Queue", show=False, tooltip="What trains and what waits"),
        Binding("3", "mode('results')", "Results", show=False, tooltip="What every run has reached"),
        Binding("question_mark,f1", "help", "Help", key_display="?", tooltip="Show or hide help for what has the focus"),
        Binding("q", "quit", "Quit", tooltip="Leave at once; what trains is saved and goes on at the next start"),
    ]

    runs: var[dict[str, Run]] = var(dict)  # every run by its id, oldest first
    steps: var[dict[str, Step]] = var(dict)  # where the runs that train are inside their epochs

    def __init__(self, session: Session, store: RunStore, make_queue: MakeQueue) -> None:
        super().__init__()
        self.session, self.store = session, store
        self.source = session.source  # of the runs that are queued next
        self.mailbox = Mailbox()
        self.queue = make_queue(self.tell) if store.writable else None
        self.ended = set[str]()  # runs that have ended since the app began
        self._last_look = 0.0
        self._timer: Timer | None = None
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        self.set_reactive(CifarApp.runs, {run.id: run for run in store.runs()})

    def on_mount(self) -> None:
        if self.queue is None:
            self.set_interval(BETWEEN_LOOKS, self.follow_owner)
        else:
            self.call_after_refresh(self.start_queue)  # the first frame comes before torch
        for notice in self.store.notices:
            self.notify(notice, severity="warning", timeout=20)

    def start_queue(self) -> None:
        if self.queue is not None:
            self.queue.start()
            self.queue.take_up()

    @property
    def why_read_only(self) -> str:
        """Why nothing can be changed, and by whom it can."""
        owner = self.store.owner()
        who = f"{owner} owns this home" if owner else "This home cannot be written"
        return f"{who}: this app shows what happens there, but changes nothing."

    def session_in_words(self) -> tuple[str, str]:
        """For the top line: data and device, and what must not be overlooked."""
        data = "CIFAR-10" if self.source.name == "cifar10" else "synthetic data, not CIFAR-10"
        devices = " ".join(device for device in self.session.devices if device != "auto")
        return " · ".join(filter(None, [data, devices])), "read only" if self.queue is None else ""

    # News: from any thread into the mailbox, from the mailbox into `runs` and `steps`.

    def tell(self, run: Run, step: Step | None) -> None:
        """Hear of a change, on any thread."""
        self.mailbox.put(run, step)
        self.post_message(News())

    def on_news(self) -> None:
        if self._timer is None:
            wait = self._last_look + BETWEEN_NEWS - monotonic()
            if wait > 0:
                self._timer = self.set_timer(wait, self.read_mail)
            else:
                self.read_mail()

    def read_mail(self) -> None:
        """Empty the mailbox."""
        self._timer, self._last_look = None, monotonic()
        mail = self.mailbox.empty()
        before = self.runs
        steps = {id: step for id, step in self.steps.items() if id not in mail}
        self.steps = steps | {id: step for id, (_, step) in mail.items() if step is not None}
        self.runs = before | {id: run for id, (run, _) in mail.items()}
        for id, (run, _) in mail.items():
            if run.is_over and id in before and not before[id].is_over:
                self.ended.add(id)
                self.announce(run)

    def announce(self, run: Run) -> None:
        """A run has ended: say so, and ring the bell."""
        if run.status == "stopped":
            return  # by the user, who knows
        self.bell()
        title = f"{model_name(run.model)}: {run.status}"
        if run.status == "failed":
            self.notify(run.error or "", title=title, severity="error", timeout=20)
        else:
            best = f"Best {words.accuracy(run.best_accuracy)} in epoch {run.best_epoch}"
            self.notify(f"{best}, last {words.accuracy(run.last_accuracy)}", title=title, timeout=10)

    def follow_owner(self) -> None:
        """Read again what another process has written."""
        self.store.refresh()
        self.runs = {run.id: run for run in self.store.runs()}

    # What the keys do.

    def action_mode(self, mode: str) -> None:
        """Go to a mode; when it is there already, from its pages back to its table."""
        if self.current_mode == mode:
            while len(self.screen_stack) > 1:
                self.pop_screen()
        else:
            self.switch_mode(mode)

    def action_help(self) -> None:
        if self.screen.query(HelpPanel):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action that has a key here, and the themes."""
        seen = set[str]()
        for node, binding, _, tooltip in screen.active_bindings.values():
            if binding.description and binding.tooltip and binding.action not in seen:
                seen.add(binding.action)
                help = f"{tooltip} ({self.get_key_display(binding)})"
                yield SystemCommand(binding.description, help, partial(self.run_action, binding.action, node))
        yield SystemCommand("Theme", "Choose other colours", self.action_change_theme)


def run(session: Session, store: RunStore, make_queue: MakeQueue) -> list[Run]:
    """Show the app until the user leaves it, then close its queue. Returns the runs that were in flight; they are saved."""
    app = CifarApp(session, store, make_queue)
    with guarded_stderr(session.home / LOG_NAME):
        app.run()
        return app.queue.close() if app.queue else []
