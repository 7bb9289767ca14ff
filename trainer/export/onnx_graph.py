"""A network as an ONNX graph, for other runtimes; checked against torch before anybody gets it."""

from __future__ import annotations

import logging
import tempfile
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from store.errors import Problem
from trainer.export.place import check_free, place, required

TOLERANCE = 1e-4  # of the largest score: fp32 sums in another order differ by far less
BATCHES = (1, 7)  # the graph takes any number of images; it is tried with these


def require_onnx() -> None:
    """Raises Problem, before any work, when the extra is not installed."""
    for module in ("onnx", "onnxscript", "onnxruntime"):
        required(module, "onnx")


def export_onnx(network: nn.Module, path: Path, *, force: bool = False) -> tuple[Path, float]:
    """Write the graph of a network on the CPU: input `images` (N, 3, 32, 32), output `scores` (N, classes).

    Returns the path and how far onnxruntime's scores are from torch's, as a fraction of the largest score. Raises
    Problem when that is too far, or when the graph cannot be made.
    """
    require_onnx()
    check_free(path, force=force)
    graph = graph_of(network)
    off = max(difference(network, graph, batch) for batch in BATCHES)
    if not off <= TOLERANCE:
        raise Problem(f"onnxruntime's scores are {off:.1e} of the largest score away from torch's: nothing was written")
    return place(path, graph, force=force), off


def graph_of(network: nn.Module) -> bytes:
    """The graph as the content of an .onnx file, weights included."""
    images = torch.zeros(2, 3, 32, 32)
    batch = torch.export.Dim("batch", min=1, max=2**16)
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            file = Path(folder) / "graph.onnx"
            torch.onnx.export(
                network.eval(),
                (images,),
                str(file),
                dynamo=True,
                input_names=["images"],
                output_names=["scores"],
                dynamic_shapes=({0: batch},),
                external_data=False,
                verbose=False,
            )
            return file.read_bytes()
    except Exception as error:  # the exporter raises whatever it meets
        line = (str(error).strip().splitlines() or [""])[0]
        raise Problem(f"torch cannot write this network as ONNX: {type(error).__name__}: {line}") from error
    finally:
        quiet.setLevel(level)


def difference(network: nn.Module, graph: bytes, batch: int) -> float:
    """The largest difference between onnxruntime's scores and torch's, as a fraction of the largest score."""
    runtime: Any = required("onnxruntime", "onnx")
    images = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(batch))
    with torch.no_grad():
        ours: Tensor = network.eval()(images)
    try:
        session = runtime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        theirs = torch.from_numpy(session.run(["scores"], {"images": images.numpy()})[0])
    except Exception as error:  # of its many classes, none stands above the others
        line = str(error).splitlines()[0]
        raise Problem(f"onnxruntime cannot run the graph with {batch} images: {line}; nothing was written") from error
    if theirs.shape != ours.shape:
        raise Problem(f"onnxruntime gives scores of shape {tuple(theirs.shape)} instead of {tuple(ours.shape)}")
    return float((ours - theirs).abs().max() / ours.abs().max())
