"""Keeping third-party readers silent: their warnings and log lines quote attribute values, which can be patient data."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LIBRARIES = ("pydicom", "PIL", "tifffile", "nibabel", "imagecodecs")


@contextmanager
def quiet() -> Iterator[None]:
    """No warning of the block is shown, and from now on no log line of the imaging libraries leaves their own loggers."""
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())  # else the handler of last resort prints to stderr
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
