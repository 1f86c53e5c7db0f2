"""What the catalogue says about one model."""

from __future__ import annotations

from dataclasses import dataclass
import enum
import os

from depth_node.model.spec import ModelSpec

_HUB = 'https://huggingface.co'


class Form(str, enum.Enum):
    """What the published files are."""

    ONNX = 'onnx'
    """An ONNX graph, with its data."""
    DEPTH_ANYTHING = 'depth_anything'
    """A Depth Anything checkpoint, whose graph is written here."""
    MONODEPTH2 = 'monodepth2'
    """A zip with encoder.pth and depth.pth, whose graph is written here."""
    EMBEDDED = 'embedded'
    """Inside the package."""

    @property
    def is_checkpoint(self) -> bool:
        """Whether the files are weights, without a graph."""
        return self in (Form.DEPTH_ANYTHING, Form.MONODEPTH2)


@dataclass(frozen=True)
class HubFile:
    """
    A file of a Hugging Face repository.

    :param repo: owner and name.
    :param path: the file inside it.
    :param revision: a commit, where one is known to hold this very file, else a branch.
    :param size: bytes, or None where not known.
    :param sha256: 64 hexadecimal digits, or None: then pinned on first use.
    """

    repo: str
    path: str
    revision: str = 'main'
    size: int | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition('/')[2]

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f'{_HUB}/{self.repo}'

    @property
    def url(self) -> str:
        """Where it is fetched from; $HF_ENDPOINT names a mirror."""
        endpoint = os.environ.get('HF_ENDPOINT', '').rstrip('/') or _HUB
        return f'{endpoint}/{self.repo}/resolve/{self.revision}/{self.path}'


@dataclass(frozen=True)
class WebFile:
    """
    A file at an address.

    :param url: https.
    :param size: bytes, or None where not known.
    :param sha256: 64 hexadecimal digits, or None: then pinned on first use.
    :param md5: what its authors published instead of a better hash, or None. It finds damage,
        not malice.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rpartition('/')[2].replace('%2B', '+')

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self.url


@dataclass(frozen=True)
class Entry:
    """
    One model of the catalogue.

    :param spec: what it is; its `name` is the name users type.
    :param form: what its files are.
    :param files: where they are; the first is the graph or the weights.
    :param parameters: number of weights (millions).
    :param variant: which architecture the weights belong to (``v2_vits``, ``resnet18``), where
        their graph can be written here.
    :param about: what is to be downloaded (MB, roughly), where it is not 4 bytes a weight.
    :param sides: smallest and largest nominal side it is meant for (pixels), or None where its
        size is fixed.
    :param note: what else somebody has to know before using it.
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
        """The name users type."""
        return self.spec.name

    @property
    def is_free(self) -> bool:
        """Whether the licence lets anybody use it for anything, so that nobody need be asked."""
        return self.spec.commercial is True

    @property
    def takes_weights(self) -> bool:
        """Whether a checkpoint of its architecture can be used instead of what is published."""
        return bool(self.variant)

    @property
    def size(self) -> int | None:
        """Bytes to download, or None where not known."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if sizes and len(sizes) == len(self.files) else None


def megabytes(entry: Entry) -> str:
    """
    Write the size of a download.

    :param entry: the model.
    :returns: for example ``99 MB``; from the number of weights where nobody listed the bytes.
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
    Write which sizes a network takes.

    :param entry: the model.
    :returns: one phrase.
    """
    spec = entry.spec
    if spec.input_size is not None:
        return str(spec.input_size)
    if entry.sides is None or spec.nominal_size is None:
        return 'as its sidecar says'
    low, high = entry.sides
    return (
        f'aspect of the camera, area of {spec.nominal_size} (sides of {low} to {high} by '
        f'choice), multiples of {spec.multiple}'
    )


def use(entry: Entry) -> str:
    """
    Write what the licence allows, in one word.

    :param entry: the model.
    :returns: ``any`` or ``non-commercial``, or ``unknown``.
    """
    return {True: 'any', False: 'non-commercial', None: 'unknown'}[entry.spec.commercial]
