"""The catalogue entry of one model."""

from __future__ import annotations

from dataclasses import dataclass
import enum
import os

from depth_node.model.spec import ModelSpec

_HUB = 'https://huggingface.co'


class Form(str, enum.Enum):
    """The form of the published files."""

    ONNX = 'onnx'
    """An ONNX graph with its data."""
    DEPTH_ANYTHING = 'depth_anything'
    """A checkpoint of Depth Anything, whose graph is written by this package."""
    MONODEPTH2 = 'monodepth2'
    """A zip with encoder.pth and depth.pth, whose graph is written by this package."""
    EMBEDDED = 'embedded'
    """Part of the package."""

    @property
    def is_checkpoint(self) -> bool:
        """Whether the files are weights, without a graph."""
        return self in (Form.DEPTH_ANYTHING, Form.MONODEPTH2)


@dataclass(frozen=True)
class HubFile:
    """
    A file of a Hugging Face repository.

    :param repo: owner and name.
    :param path: path of the file in it.
    :param revision: a commit that is known to contain this file, otherwise a branch.
    :param size: size (bytes), or None if unknown.
    :param sha256: 64 hexadecimal digits, or None: pinned on first use.
    """

    repo: str
    path: str
    revision: str = 'main'
    size: int | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.rpartition('/')[2]

    @property
    def place(self) -> str:
        """Its location, for display."""
        return f'{_HUB}/{self.repo}'

    @property
    def url(self) -> str:
        """Its address; $HF_ENDPOINT sets a mirror."""
        endpoint = os.environ.get('HF_ENDPOINT', '').rstrip('/') or _HUB
        return f'{endpoint}/{self.repo}/resolve/{self.revision}/{self.path}'


@dataclass(frozen=True)
class WebFile:
    """
    A file at a web address.

    :param url: https.
    :param size: size (bytes), or None if unknown.
    :param sha256: 64 hexadecimal digits, or None: pinned on first use.
    :param md5: the hash published by its authors if there is no better one, or None. It detects
        damage, but not manipulation.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition('/')[2].replace('%2B', '+')

    @property
    def place(self) -> str:
        """Its location, for display."""
        return self.url


@dataclass(frozen=True)
class Entry:
    """
    One model of the catalogue.

    :param spec: its description; `name` is its name in the catalogue.
    :param form: form of its files.
    :param files: its files; the first is the graph or the weights.
    :param parameters: number of weights (millions).
    :param variant: architecture of the weights (``v2_vits``, ``resnet18``), if their graph is
        written by this package.
    :param about: approximate size of the download (MB), if it is not 4 bytes per weight.
    :param sides: smallest and largest nominal side (pixels), or None if the size is fixed.
    :param note: what users need to know.
    :param caution: what users are warned of each time they open it on a camera.
    """

    spec: ModelSpec
    form: Form
    files: tuple[HubFile | WebFile, ...] = ()
    parameters: float | None = None
    variant: str = ''
    about: float | None = None
    sides: tuple[int, int] | None = None
    note: str = ''
    caution: str = ''

    @property
    def name(self) -> str:
        """Name in the catalogue."""
        return self.spec.name

    @property
    def is_free(self) -> bool:
        """Whether the licence allows every use, so that it need not be accepted."""
        return self.spec.commercial is True

    @property
    def takes_weights(self) -> bool:
        """Whether a checkpoint of its architecture can be used instead of the published one."""
        return bool(self.variant)

    @property
    def size(self) -> int | None:
        """Size of the download (bytes), or None if unknown."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if sizes and len(sizes) == len(self.files) else None


def megabytes(entry: Entry) -> str:
    """
    Return the size of a download as text.

    :param entry: the model.
    :returns: for example ``99 MB``; estimated from the number of weights if not listed.
    """
    if entry.form is Form.EMBEDDED:
        return 'in the package'
    if not entry.files:
        return 'not published'
    if entry.size is not None:
        return f'{entry.size / 1e6:.0f} MB'
    if entry.about is not None:
        return f'about {entry.about:.0f} MB'
    return 'unknown' if entry.parameters is None else f'about {4 * entry.parameters:.0f} MB'


def size_rule(entry: Entry) -> str:
    """
    Return the supported network sizes as text.

    :param entry: the model.
    :returns: one phrase.
    """
    spec = entry.spec
    if spec.input_size is not None:
        return str(spec.input_size)
    if entry.sides is None or spec.nominal_size is None:
        return 'as in its sidecar'
    low, high = entry.sides
    return (
        f'aspect ratio of the camera, area of {spec.nominal_size} (or of a side of {low} to '
        f'{high}), multiples of {spec.multiple}'
    )


def use(entry: Entry) -> str:
    """
    Return what the licence allows, in one word.

    :param entry: the model.
    :returns: ``any`` or ``non-commercial``, or ``unknown``.
    """
    return {True: 'any', False: 'non-commercial', None: 'unknown'}[entry.spec.commercial]
