"""The one training loop of all models: a model brings a `Task`, the loop brings everything else.

A training is a pure function of its samples and settings: whatever is random in a training sample comes
from a generator seeded with (seed, epoch, index), and the network's own from (seed, epoch). The state
after each epoch is kept in one file that is replaced atomically, so a run that was killed goes on from
there and ends with the weights it would have had.
"""

import csv
import hashlib
import io
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from glomspike.errors import OutputError
from glomspike.findings import RGB
from glomspike.learn.samples import read_samples
from glomspike.modalities import Modality
from glomspike.networks.device import has_fast_bfloat16
from glomspike.networks.weights import CardDraft, Metric, Normalisation, TrainingData, save_weights
from glomspike.results.files import replace_file

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Schedule = Literal["onecycle", "steps"]
Batch = dict[str, Tensor]
Example = dict[str, np.ndarray[Any, Any]]

CHECKPOINT = "checkpoint.pt"
REPLACED = ("*.safetensors", "metrics.csv", "curves.png")  # that a training writes after its checkpoint
LICENCE = "Apache-2.0 as far as the licences of the training data allow"
READ_AHEAD_BATCHES = 3
NORMALISATION = Normalisation(mean=(0.7, 0.6, 0.7), std=(0.25, 0.25, 0.25))  # of stained tissue in general
ENOUGH_EPOCHS = 5


@dataclass(frozen=True)
class Settings:
    """How long and how fast to learn. `seed` and the samples decide everything random.

    On more GPUs than `batch` samples, each GPU gets a sample: the batch then is as large as there are GPUs.
    Once the loss was below `enough_loss` for five epochs in a row, there are no more.
    """

    epochs: int
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    schedule: Schedule = "onecycle"
    seed: int = 0
    examples_every: int = 5
    amsgrad: bool = False
    enough_loss: float = float("-inf")


class Task(Protocol):
    """What a model brings to the loop. A task may use its network only when it is handed to a method."""

    @property
    def quality(self) -> str:
        """The key of `validate`'s numbers by which the best epoch is chosen; more is better."""
        ...

    @property
    def signature(self) -> str:
        """What, besides the settings, a training depends on: data and arguments, as text."""
        ...

    def network(self) -> nn.Module:
        """A network to begin with; its random parts come from torch's generator."""
        ...

    def begin_epoch(self, network: nn.Module, epoch: int) -> int:
        """The number of samples of this epoch, chosen as the network is now."""
        ...

    def sample(self, index: int, rng: np.random.Generator) -> Example:
        """Sample `index` of the epoch as arrays of one shape, random only through `rng`; thread-safe."""
        ...

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The mean loss of a batch, a scalar."""
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """How good the network is on the validation samples."""
        ...

    def examples(self, network: nn.Module) -> RGB:
        """A picture, of any size, of predictions beside the truth."""
        ...

    def card(self, measured: dict[str, float]) -> CardDraft:
        """The card of the trained weights, given the best epoch's numbers."""
        ...


@dataclass
class _Progress:
    """What an interrupted training needs besides the tensors: epochs done and their numbers."""

    epochs: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    best: float = float("-inf")
    best_epoch: int = 0


def train(task: Task, settings: Settings, fabric: Fabric, out: Path, console: Console) -> Path:
    """Trains, or goes on training, in the folder `out`; gives the path of the best epoch's weights.

    Writes checkpoint, metrics.csv, curves.png, examples/*.png, and in the end weights and card. Raises
    OutputError where `out` holds another training or cannot be written.
    """
    with Run(task, settings, fabric, out, console) as run:
        while run.progress.epochs < settings.epochs and not run.has_learnt_enough:
            run.epoch()
        return run.finish()


def fabric_on(device: torch.device, gpus: int) -> Fabric:
    """Lightning Fabric on a device, in bfloat16 where that is fast; from a GPU on, over several GPUs."""
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if has_fast_bfloat16(device) else "32-true"
    if device.type == "cpu":
        fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    else:
        first = device.index or 0
        fabric = Fabric(accelerator="cuda", devices=list(range(first, first + gpus)), precision=precision)
    fabric.launch()
    return fabric


class Run:
    """One training in one folder, epoch by epoch."""

    def __init__(self, task: Task, settings: Settings, fabric: Fabric, out: Path, console: Console) -> None:
        self.task, self.settings, self.fabric, self.out, self.console = task, settings, fabric, out, console
        self.batch = max(settings.batch, fabric.world_size)
        self.signature = _signature(task, settings)
        self.progress = _Progress()
        seed_epoch(settings.seed, 0)
        network = task.network()
        if fabric.device.type == "cpu":
            # Channels last is twice as fast with bfloat16 on processors that have it.
            network = network.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            amsgrad=settings.amsgrad,
        )
        self.network, self.optimizer = fabric.setup(network, optimizer)
        self.best_state: dict[str, Tensor] = {}
        self.pool = ThreadPoolExecutor(max(1, min(8, (os.cpu_count() or 2) - 1)))
        if (kept := opened(out, self.signature)) is not None:
            self._resume(kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    @property
    def has_learnt_enough(self) -> bool:
        """Whether the loss has stayed below what the settings call enough."""
        losses = [row["loss"] for row in self.progress.rows[-ENOUGH_EPOCHS:]]
        return len(losses) == ENOUGH_EPOCHS and max(losses) < self.settings.enough_loss

    def epoch(self) -> None:
        """One pass: learn, validate, keep."""
        number = self.progress.epochs + 1
        seed_epoch(self.settings.seed, number)
        self.network.eval()
        samples = self.task.begin_epoch(self.network, number)
        began = time.monotonic()
        loss = self._learn(number, samples)
        rate = samples / (time.monotonic() - began)
        self.network.eval()
        with torch.no_grad():
            measured = self.task.validate(self.network)
        self._note(number, loss, rate, measured)
        if number % self.settings.examples_every == 0 or number == self.settings.epochs:
            with torch.no_grad():
                self._write_examples(number)
        self._keep()

    def _learn(self, number: int, samples: int) -> float:
        self.network.train()
        batches = max(1, samples // self.batch)
        total = torch.zeros((), device=self.fabric.device)
        with progress_bar(self.console, number, self.settings.epochs) as bar:
            shown = bar.add_task("", total=batches * self.batch, loss=float("nan"))
            for step, batch in enumerate(self._batches(number, batches, samples)):
                self._set_rate(number - 1 + step / batches)
                self.optimizer.zero_grad()
                loss = self.task.loss(self.network, self.fabric.to_device(batch))
                self.fabric.backward(loss)
                self.fabric.clip_gradients(self.network, self.optimizer, max_norm=10.0)
                self.optimizer.step()
                total += loss.detach()
                if step % 10 == 9:
                    bar.update(shown, loss=float(total) / (step + 1))
                bar.advance(shown, self.batch)
        return float(total) / batches

    def _batches(self, number: int, batches: int, samples: int) -> Iterator[Batch]:
        """The epoch's batches in order, made ahead by threads; each process of several makes its share.

        Where there are fewer samples than one batch holds, they come again.
        """
        size, rank, world = self.batch, self.fabric.global_rank, self.fabric.world_size

        def made(index: int) -> Example:
            rng = np.random.default_rng((self.settings.seed, number, index))
            return self.task.sample(index % samples, rng)

        def ordered(batch: int) -> list[Future[Example]]:
            first = batch * size
            return [self.pool.submit(made, index) for index in range(first + rank, first + size, world)]

        waiting = [ordered(batch) for batch in range(min(READ_AHEAD_BATCHES, batches))]
        for following in range(READ_AHEAD_BATCHES, batches + READ_AHEAD_BATCHES):
            examples = [future.result() for future in waiting.pop(0)]
            if following < batches:
                waiting.append(ordered(following))
            yield {key: torch.from_numpy(np.stack([e[key] for e in examples])) for key in examples[0]}

    def _set_rate(self, epochs_done: float) -> None:
        rate = learning_rate(self.settings, epochs_done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _note(self, number: int, loss: float, rate: float, measured: dict[str, float]) -> None:
        progress, quality = self.progress, measured[self.task.quality]
        progress.epochs = number
        progress.rows.append({"epoch": number, "loss": loss, "samples_per_s": rate, **measured})
        if quality >= progress.best:
            progress.best, progress.best_epoch = quality, number
            self.best_state = {k: v.detach().cpu().clone() for k, v in self._state().items()}
        numbers = ", ".join(f"{name} {value:.3f}" for name, value in measured.items())
        self.console.print(
            f"epoch {number}/{self.settings.epochs}: loss {loss:.4f}, {numbers} "
            f"(best {progress.best:.3f} at {progress.best_epoch}), {rate:.1f} samples/s",
            highlight=False,
            soft_wrap=True,
        )

    def _state(self) -> dict[str, Tensor]:
        module: nn.Module = self.network.module
        return module.state_dict()

    def _write_examples(self, number: int) -> None:
        picture = self.task.examples(self.network)
        if self.fabric.is_global_zero:
            _, code = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            replace_file(self.out / "examples" / f"epoch-{number:03d}.png", code.tobytes())

    def _keep(self) -> None:
        if not self.fabric.is_global_zero:
            return
        kept = io.BytesIO()
        torch.save(
            {
                "signature": self.signature,
                "progress": asdict(self.progress),
                "network": self._state(),
                "optimizer": self.optimizer.state_dict(),
                "best_state": self.best_state,
            },
            kept,
        )
        replace_file(self.out / CHECKPOINT, kept.getvalue())
        write_curves(self.out, self.progress.rows, self.task.quality)

    def _resume(self, kept: dict[str, Any]) -> None:
        self.progress = _Progress(**kept["progress"])
        self.best_state = kept["best_state"]
        self.network.module.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.console.print(f"resuming after epoch {self.progress.epochs} of {self.settings.epochs}")

    def finish(self) -> Path:
        """Writes the best epoch's weights with their card."""
        best = self.progress.rows[self.progress.best_epoch - 1]
        measured = {k: v for k, v in best.items() if k not in ("epoch", "loss", "samples_per_s")}
        draft = self.task.card(measured)
        if self.fabric.is_global_zero:
            save_weights(self.best_state, draft, self.out, draft.kind)
        return self.out / f"{draft.kind}.safetensors"


def opened(out: Path, signature: str) -> dict[str, Any] | None:
    """The checkpoint of a training in the folder `out`, which is made where it is missing; None if it is new.

    Raises OutputError where the folder cannot be written, or holds a training of another signature, or files
    that a new one would replace.
    """
    try:
        (out / "examples").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(out, f"cannot be written ({error.strerror})", "give another --out") from error
    path = out / CHECKPOINT
    if not path.is_file():
        if foreign := next((file for name in REPLACED for file in out.glob(name)), None):
            raise OutputError(foreign, "is there already and is not replaced", "give another --out")
        return None
    try:
        kept: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        is_another = kept["signature"] != signature
    except (OSError, RuntimeError, EOFError, LookupError, TypeError, ValueError, UnpicklingError) as error:
        cause = "is damaged, or was not written by glomspike"
        raise OutputError(path, cause, "give another --out, or delete it to begin again") from error
    if is_another:
        raise OutputError(out, "holds a training of other samples or settings", "give another --out")
    return kept


def learning_rate(settings: Settings, epochs_done: float) -> float:
    """The learning rate after so many epochs.

    "onecycle" rises over the first tenth and falls along a cosine to a thousandth; "steps" falls to 0.3
    of itself every ten epochs.
    """
    if settings.schedule == "steps":
        return float(settings.learning_rate * 0.3 ** (epochs_done // 10))
    done = epochs_done / settings.epochs
    rising = min(1.0, 0.04 + 0.96 * done / 0.1)
    falling = 0.001 + 0.999 * (1 + np.cos(np.pi * max(0.0, (done - 0.1) / 0.9))) / 2
    return float(settings.learning_rate * rising * falling)


def table_signature(tables: Sequence[Path]) -> str:
    """A hash of the tables' contents."""
    return hashlib.sha256(b"\0".join(table.read_bytes() for table in tables)).hexdigest()


def task_signature(
    tables: Sequence[Path],
    options: "DataclassInstance",
    begin: dict[str, Tensor] | None,
    *beginning: str | None,
) -> str:
    """What a training depends on besides its settings: its tables, its options, and what it begins with.

    `begin` are the weights to go on from, if any, `beginning` names whatever else it begins with.
    """
    return json.dumps([table_signature(tables), asdict(options), [_state_signature(begin), *beginning]])


def validation_metrics(measured: dict[str, float], n: int, *leave_out: str) -> tuple[Metric, ...]:
    """The best epoch's numbers as a card has them, of `n` items of the validation patients."""
    kept = {name: value for name, value in measured.items() if name not in leave_out}
    return tuple(
        Metric(name=name, value=value, data="validation patients", n=max(n, 1))
        for name, value in kept.items()
    )


def _state_signature(state: dict[str, Tensor] | None) -> str:
    """A hash of the weights that a training begins with; empty where it begins from scratch."""
    if state is None:
        return ""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def _signature(task: Task, settings: Settings) -> str:
    return json.dumps({**asdict(settings), "task": task.signature}, sort_keys=True)


def seed_epoch(seed: int, epoch: int) -> None:
    """Sets torch's generator, so that an epoch is random in the same way whenever it is run."""
    torch.manual_seed(seed * 100_003 + epoch)


def progress_bar(console: Console, number: int, epochs: int) -> Progress:
    """A bar for the pictures of an epoch, shown on a terminal only; its tasks have a field `loss`."""
    return Progress(
        TextColumn(f"epoch {number}/{epochs}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}, {task.speed:.1f}/s, loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def write_curves(out: Path, rows: list[dict[str, float]], quality: str) -> None:
    """Writes the numbers of each epoch to metrics.csv, and the loss and one of them to curves.png."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[-1]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in rows)
    replace_file(out / "metrics.csv", text.getvalue().encode())
    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, key in zip(figure.subplots(1, 2), ("loss", quality), strict=True):
        axes.plot([row["epoch"] for row in rows], [row[key] for row in rows])
        axes.set(xlabel="epoch", title=key)
        axes.grid(alpha=0.3)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110)
    replace_file(out / "curves.png", picture.getvalue())


def training_data(
    tables: Sequence[Path], modalities: Sequence[Modality] = ("om",)
) -> tuple[TrainingData, ...]:
    """What a card says of the tables: folder, rows in training, first line of `licence.txt` beside."""
    stated = []
    for table in tables:
        licence = table.parent / "licence.txt"
        text = licence.read_text(encoding="utf-8").splitlines()[0] if licence.is_file() else "not stated"
        images = sum(sample.split == "train" for sample in read_samples([table], modalities))
        stated.append(TrainingData(name=table.resolve().parent.name, licence=text, images=max(images, 1)))
    return tuple(stated)
