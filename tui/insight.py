"""Looking into a trained network: its best weights on the test images, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator
from threading import Event
from typing import TYPE_CHECKING

from textual.widget import Widget

from store.errors import Problem
from store.records import Run, Step
from store.runs import RunStore
from trainer.device import prepare_process
from trainer.own import require_model
from tui.background import in_background
from tui.session import Session

if TYPE_CHECKING:
    from trainer.evaluate import Evaluation

WORST = 24  # mistakes whose images are kept


def steps_of(session: Session, store: RunStore, run: Run) -> Generator[Step, None, Evaluation]:
    """Evaluate the best weights of a run on the images that it was tested on. Imports torch. Raises Problem."""
    require_model(run)
    prepare_process()
    from trainer.evaluate import evaluate_weights
    from trainer.weights import of_run

    weights = of_run(run, store.folder(run.id))
    source, device = session.source_of(run), session.devices[0]
    return evaluate_weights(run.model, weights, f"run {run.id}", source, device, run.recipe.test_limit, WORST)


class Examination:
    """One evaluation. It is begun once, tells how far it is, and can be cancelled."""

    def __init__(self, owner: Widget, steps: Callable[[], Generator[Step, None, Evaluation]]) -> None:
        """`steps` is called in the thread."""
        self._owner, self._steps = owner, steps
        self._cancelled = Event()

    def begin(
        self,
        tell: Callable[[Step], object],
        done: Callable[[Evaluation], object],
        failed: Callable[[str], object],
    ) -> None:
        """Go. All three are called on the app's thread, and no more once it was cancelled."""

        def work() -> Evaluation | str | None:
            try:
                steps = self._steps()
                while not self._cancelled.is_set():
                    self._owner.call_later(self._unless_cancelled, tell, next(steps))
            except StopIteration as end:
                found: Evaluation = end.value
                return found
            except Problem as problem:
                return str(problem)
            return None

        def end(result: Evaluation | str | None) -> None:
            if isinstance(result, str):
                self._unless_cancelled(failed, result)
            elif result is not None:
                self._unless_cancelled(done, result)

        in_background(self._owner, "evaluation", work, end)

    def cancel(self) -> None:
        """Stop after the batch that is under way."""
        self._cancelled.set()

    def _unless_cancelled(self, call: Callable[..., object], value: object) -> None:
        if not self._cancelled.is_set():
            call(value)
