"""`cifar-tui resume`: carry on with what waits or was interrupted."""

from __future__ import annotations

import click

from store.records import Run
from store.runs import RunStore
from trainer.lifecycle import wants_to_train
from trainer.own import require_model
from trainer.queue import JobQueue
from tui.commands.headless import carry_out, require_data, require_device, require_name
from tui.session import Session
from zoo.own import require_fit


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option("--pin", metavar="DEVICE|any", help="The only device that may train them, or any again.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line for programs.")
@click.pass_context
def resume(ctx: click.Context, runs: tuple[str, ...], pin: str | None, as_json: bool) -> None:
    """Go on from the last checkpoint.

    Without a RUN: everything that is queued or was interrupted. A RUN named here may also be paused, stopped or failed.
    """
    session: Session = ctx.obj
    device = None if pin == "any" else pin
    require_name(device)

    def begin(store: RunStore, jobs: JobQueue) -> list[Run]:
        require_device(device, jobs)
        named = [store.run(id) for id in dict.fromkeys(runs)]
        waiting = named if runs else [run for run in jobs.jobs() if wants_to_train(run)]
        for run in waiting:
            require_model(run)
        require_fit(run.model for run in waiting)
        require_data([session.source_of(run) for run in waiting])
        if not waiting:
            click.echo("cifar-tui: nothing is queued, and nothing was interrupted", err=True)
        going_on = [jobs.go_on(run.id) for run in waiting]
        return [jobs.pin(run.id, device) for run in going_on] if pin else going_on

    ctx.exit(carry_out(session, begin, as_json))
