"""A sample frame with its result, stored with an engine to verify it when it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
import io
import zipfile

import numpy as np
from numpy.typing import NDArray

from depth_node.model.prediction import EXTRAS, Prediction


@dataclass(frozen=True)
class Sample:
    """
    A frame with its result.

    :param frame: uint8 (H, W, 3) rgb.
    :param answer: result of the network in fp32.
    """

    frame: NDArray[np.uint8]
    answer: Prediction

    def as_bytes(self) -> bytes:
        """
        Return the sample as bytes.

        :returns: an npz file.
        """
        planes = {
            'frame': self.frame,
            **{name: plane for name, plane in self.answer.planes.items() if plane is not None},
        }
        stream = io.BytesIO()
        np.savez_compressed(stream, **planes)  # type: ignore[arg-type]
        return stream.getvalue()

    @classmethod
    def read(cls, content: bytes | None) -> Sample | None:
        """
        Return the sample in bytes.

        :param content: an npz file, or None.
        :returns: the sample; None if there is no complete one.
        """
        if content is None:
            return None
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as planes:
                frame, depth = planes['frame'], planes['depth']
                extras = [planes.get(name) for name in EXTRAS]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        if frame.dtype != np.uint8 or depth.shape != frame.shape[:2]:
            return None
        return cls(frame, Prediction(depth, *extras))
