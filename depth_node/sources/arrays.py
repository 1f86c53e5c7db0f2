"""NumPy arrays in files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray


def npy_array(content: bytes) -> NDArray[Any]:
    """
    Return the array of an .npy file.

    `numpy.load` would also open archives and pickles, whatever the file is called, and raise
    other errors for broken ones.

    :param content: of the file.
    :returns: the array.
    :raises ValueError: it is no such file, is cut, or holds Python objects.
    :raises MemoryError: the array is too large.
    """
    try:
        return np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # the header is Python, and so are the errors of its parser
        raise ValueError(f'its header cannot be read ({error})') from error
