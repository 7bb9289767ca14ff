"""What all tests of the trainer stand on."""

import pytest

from trainer import agreement
from trainer.agreement import Case

EVERY_CASE = agreement.cases


@pytest.fixture(autouse=True)
def _our_kernels_meet_few_images_before_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreted, they take seconds for all that a GPU does at once. tests/trainer/test_agreement.py lets them."""
    monkeypatch.setattr(agreement, "cases", lambda device: [Case((3, 13, 4, 3), 3, adds=True, passes=True)])
