"""The printed lines of a run: the loss with its parts, and the validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from depth_node.training.config import TrainConfig
from depth_node.training.validation import Validation
from depth_node.training.watch import PART


class Lines:
    """
    Prints a line every `print_every` steps and after every validation.

    The figures of training are means over the steps since the last line.

    :param say: called with one line at a time.
    :param config: configuration of the run.
    :param samples: number of training samples, for the epochs.
    """

    def __init__(self, say: Callable[[str], None], config: TrainConfig, samples: int) -> None:
        self._say, self._config, self._samples = say, config, samples
        self._sums: dict[str, float] = {}
        self._count = 0
        self._validation: tuple[int, dict[str, float]] | None = None

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Count a step, and print the line if it is due."""
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        validated = self._validation is not None and self._validation[0] == step
        if step % self._config.print_every and not validated:
            return
        means = {name: total / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        epoch = step * self._config.batch / self._samples
        parts = [f'step {step}/{self._config.steps} (epoch {epoch:.1f}): {training(means)}']
        if self._validation is not None:
            parts.append(validation(*self._validation, step))
        self._say(f'{"; ".join(parts)}; {figures["images_per_s"]:.1f} images/s')

    def validated(self, step: int, result: Validation) -> None:
        """Remember a validation for the line of its step; print that of the initial weights."""
        self._validation = step, result.figures
        if not step:
            self._say(f'step 0/{self._config.steps}: {validation(*self._validation, step)}')

    def close(self) -> None:
        """Do nothing: every line is complete."""


def training(means: Mapping[str, float]) -> str:
    """
    Describe the training loss as the sum of its parts.

    :param means: `loss`, its parts (`loss/NAME`) and the share of pixels `used`.
    :returns: for example `loss 0.1432 = photometric 0.1411 + smoothness 0.00213, 93 % of pixels`.
    """
    parts = ' + '.join(
        f'{name.removeprefix(PART)} {value:.4g}'
        for name, value in means.items() if name.startswith(PART)
    )
    return f'loss {means["loss"]:.4g} = {parts}, {100 * means["used"]:.0f} % of pixels'


def validation(validated: int, figures: Mapping[str, float], step: int) -> str:
    """
    Describe the metrics of a validation.

    :param validated: step of the validation.
    :param figures: the metrics.
    :param step: step of the line; the step of an earlier validation is named.
    :returns: for example `validation: loss 0.15, abs_rel 0.132`.
    """
    words = ', '.join(f'{name} {value:.4g}' for name, value in figures.items())
    return f'validation{"" if validated == step else f" at {validated}"}: {words}'
