"""The two networks' training against each other, epoch by epoch, with a checkpoint after each.

Not by the loop of all other models, which has one network, one loss and one optimiser: here two take turns,
and what is kept is a running mean of the one. Seeds, checkpoint and files are like that loop's, and so is the
promise: a training that was interrupted ends as it would have.
"""

import io
import json
import time
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn
from torch.nn.functional import softplus

from glomspike.classify.synthesis.adaptive import adapted, augmented
from glomspike.classify.synthesis.discriminator import Discriminator
from glomspike.classify.synthesis.features import FeatureNetwork
from glomspike.classify.synthesis.generator import Generator
from glomspike.classify.synthesis.harvest import Harvest
from glomspike.findings import RGB
from glomspike.learn.sheets import sheet
from glomspike.learn.training import CHECKPOINT, opened, progress_bar, seed_epoch, write_curves
from glomspike.metrics.likeness import frechet_distance
from glomspike.results.files import replace_file
from glomspike.results.png import write_rgb

# Karras et al. 2020 (ADA), appendix C, as their code sets it by size and batch.
RATE, BETAS, EPSILON = 2.5e-3, (0.0, 0.99), 1e-8
R1_EVERY, P_EVERY = 16, 4  # steps
# Pictures in which augmentation can get from never to always: few tiles are soon learnt by heart.
RISE_PICTURES, RISE_PASSES = 500_000, 60
MEAN_PER_PICTURE = 10_000 / 32  # half-life of the generator's running mean, for each picture of a batch
MEAN_SHARE = 0.05  # of the pictures seen so far; early weights are soon forgotten
WATCHED = 200  # pictures that an epoch's FID is measured on
SHEET_ROWS = 6
AT_ONCE = 50


@dataclass(frozen=True)
class GanSettings:
    """How long to train, and how wide the networks are. An epoch is so many steps of a batch of pictures."""

    epochs: int = 150
    batch: int = 32
    width: int = 256
    seed: int = 0
    steps: int = 128  # a multiple of R1_EVERY

    def r1_weight(self, side_px: int) -> float:
        """Half the γ of the gradient penalty, times the steps that pass without it."""
        return 0.0002 * side_px**2 / self.batch / 2 * R1_EVERY


@dataclass
class _Progress:
    """What an interrupted training needs besides the tensors."""

    epochs: int = 0
    p: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)


class GanRun:
    """One training in one folder; pictures are taken from `mean`, the running mean of the generator."""

    def __init__(
        self,
        harvest: Harvest,
        features: FeatureNetwork,
        settings: GanSettings,
        signature: str,
        fabric: Fabric,
        out: Path,
        console: Console,
    ) -> None:
        """Begins, or goes on where the folder's checkpoint is.

        `signature` is what the harvest depends on. Raises OutputError where `out` cannot be written or holds
        another training.
        """
        self.harvest, self.features, self.settings = harvest, features, settings
        # More epochs go on where fewer ended.
        self.signature = json.dumps([signature, features.name, asdict(replace(settings, epochs=0))])
        self.fabric, self.out, self.console, self.progress = fabric, out, console, _Progress()
        seed_epoch(settings.seed, 0)
        generator = Generator(harvest.side_px, settings.width)
        discriminator = Discriminator(harvest.side_px, settings.width)
        self.generator = generator.to(fabric.device).to(memory_format=torch.channels_last)
        self.discriminator = discriminator.to(fabric.device).to(memory_format=torch.channels_last)
        self.mean = deepcopy(self.generator).requires_grad_(requires_grad=False)
        self.rise_pictures = min(RISE_PICTURES, RISE_PASSES * len(harvest.windows))
        self.of_generator = _optimizer(self.generator, 1)
        self.of_discriminator = _optimizer(self.discriminator, R1_EVERY / (R1_EVERY + 1))
        self.watched = harvest.pictures(WATCHED, settings.seed)
        self.watched_features = features.of(self.watched)
        if (kept := opened(out, self.signature)) is not None:
            self._resume(kept)

    @property
    def is_done(self) -> bool:
        """Whether all epochs are."""
        return self.progress.epochs >= self.settings.epochs

    def epoch(self) -> None:
        """Learn, look at what is generated, keep."""
        number, began = self.progress.epochs + 1, time.monotonic()
        seed_epoch(self.settings.seed, number)
        losses = self._learn(number)
        rate = self.settings.steps * self.settings.batch / (time.monotonic() - began)
        made = sampled(self.mean, WATCHED, self.settings.seed)
        fid = frechet_distance(self.watched_features, self.features.of(made))
        row = {"epoch": number, "loss": losses[0], "generator_loss": losses[1], "r_t": losses[2]}
        self.progress.rows.append({**row, "p": self.progress.p, "fid": fid, "pictures_per_s": rate})
        self.progress.epochs = number
        self.console.print(
            f"epoch {number}/{self.settings.epochs}: loss {losses[0]:.3f}, generator {losses[1]:.3f}, "
            f"r_t {losses[2]:.2f}, p {self.progress.p:.2f}, FID {fid:.2f}, {rate:.1f} pictures/s",
            highlight=False,
            soft_wrap=True,
        )
        self._keep(beside(self.watched, made))

    def _learn(self, number: int) -> tuple[float, float, float]:
        """The mean losses of both, and the mean sign of the discriminator, over an epoch."""
        steps, batch = self.settings.steps, self.settings.batch
        totals, signs = torch.zeros(3, device=self.fabric.device), []
        with progress_bar(self.console, number, self.settings.epochs) as bar:
            shown = bar.add_task("", total=steps * batch, loss=float("nan"))
            for step in range(steps):
                loss, sign = self._discriminate(self._real(number, step), step)
                totals += torch.stack([loss, self._generate(), sign])
                signs.append(sign)
                self._follow((number - 1) * steps + step)
                if step % P_EVERY == P_EVERY - 1:
                    r_t = float(torch.stack(signs[-P_EVERY:]).mean())
                    self.progress.p = adapted(self.progress.p, r_t, P_EVERY * batch / self.rise_pictures)
                    bar.update(shown, loss=float(totals[0]) / (step + 1))
                bar.advance(shown, batch)
        loss, generator_loss, r_t = (totals / steps).tolist()
        return loss, generator_loss, r_t

    def _real(self, number: int, step: int) -> Tensor:
        """A batch of real pictures (n, 3, side, side) from -1 to 1."""
        rng = np.random.default_rng((self.settings.seed, number, step))
        chosen = rng.integers(len(self.harvest.windows), size=self.settings.batch)
        pictures = np.stack([self.harvest.picture(index, rng) for index in chosen])
        return torch.from_numpy(pictures).to(self.fabric.device).permute(0, 3, 1, 2).float() / 127.5 - 1

    def _made(self) -> Tensor:
        """A batch of synthetic pictures, as the discriminator is to see them."""
        z = torch.randn(self.settings.batch, self.settings.width).to(self.fabric.device)
        with self.fabric.autocast():
            pictures = self.generator(z)
        # In full precision, as the real ones are changed: rounded colours would give synthetic ones away.
        return augmented(pictures, self.progress.p)

    def _discriminate(self, real: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """One step of the discriminator; its loss, and the mean sign of what it says of real pictures."""
        self.of_discriminator.zero_grad()
        real = augmented(real, self.progress.p)
        with torch.no_grad():
            made = self._made()
        with self.fabric.autocast():
            odds = self.discriminator(real)
            loss = softplus(-odds).mean() + softplus(self.discriminator(made)).mean()
        self.fabric.backward(loss)
        if step % R1_EVERY == 0:
            penalty = gradient_penalty(self.discriminator, real)
            self.fabric.backward(self.settings.r1_weight(self.harvest.side_px) * penalty)
        self.of_discriminator.step()
        return loss.detach(), odds.detach().sign().mean()

    def _generate(self) -> Tensor:
        """One step of the generator, with the non-saturating loss (Goodfellow et al. 2014)."""
        self.of_generator.zero_grad()
        self.discriminator.requires_grad_(requires_grad=False)
        made = self._made()
        with self.fabric.autocast():
            loss = softplus(-self.discriminator(made)).mean()
        self.fabric.backward(loss)
        self.of_generator.step()
        self.discriminator.requires_grad_(requires_grad=True)
        return loss.detach()

    def _follow(self, step: int) -> None:
        """Moves the running mean of the generator's weights."""
        batch = self.settings.batch
        half_life = min(MEAN_PER_PICTURE * batch, MEAN_SHARE * (step + 1) * batch)
        share = 1 - 0.5 ** (batch / half_life)
        with torch.no_grad():
            for mean, now in zip(self.mean.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(now, share)

    def _keep(self, examples: RGB) -> None:
        number = self.progress.epochs
        write_rgb(self.out / "examples" / f"epoch-{number:03d}.png", examples)
        kept = io.BytesIO()
        torch.save({"signature": self.signature, "progress": asdict(self.progress)} | self._states(), kept)
        replace_file(self.out / CHECKPOINT, kept.getvalue())
        write_curves(self.out, self.progress.rows, "fid")

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "generator": self.generator, "discriminator": self.discriminator, "mean": self.mean,
            "of_generator": self.of_generator, "of_discriminator": self.of_discriminator,
        }  # fmt: skip

    def _states(self) -> dict[str, object]:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def _resume(self, kept: dict[str, Any]) -> None:
        self.progress = _Progress(**kept["progress"])
        for name, part in self._parts().items():
            part.load_state_dict(kept[name])
        self.console.print(f"resuming after epoch {self.progress.epochs} of {self.settings.epochs}")


def gradient_penalty(discriminator: nn.Module, real: Tensor) -> Tensor:
    """R1: the mean squared gradient of the discriminator at real pictures (Mescheder et al. 2018).

    In full precision, and at the pictures that the discriminator is shown, augmented or not.
    """
    seen = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(seen).sum(), seen, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def sampled(generator: Generator, count: int, seed: int) -> NDArray[np.uint8]:
    """`count` synthetic pictures (count, h, w, 3): for a seed always the same, or the first of more."""
    device = next(generator.parameters()).device
    pictures = []
    with torch.inference_mode(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for part in range(0, count, AT_ONCE):
            torch.manual_seed(seed * 100_003 + part)
            z = torch.randn(AT_ONCE, generator.width).to(device)
            pictures.append(
                ((generator(z) + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu()
            )
    return torch.cat(pictures)[:count].numpy()


def beside(real: NDArray[np.uint8], made: NDArray[np.uint8]) -> RGB:
    """A sheet of pictures (n, side, side, 3), real ones in its two left columns, synthetic ones right."""
    rows = [np.concatenate([real[i : i + 2], made[i : i + 2]]) for i in range(0, 2 * SHEET_ROWS, 2)]
    captions = ["real", "real", "synthetic", "synthetic"] * SHEET_ROWS
    return sheet(list(np.concatenate(rows)), captions)


def _optimizer(network: nn.Module, share: float) -> torch.optim.Optimizer:
    """Adam; where steps of a penalty are added, it learns that much more slowly (StyleGAN2, appendix B)."""
    betas = (BETAS[0] ** share, BETAS[1] ** share)
    return torch.optim.Adam(network.parameters(), RATE * share, betas, EPSILON)
