# SPDX-License-Identifier: Apache-2.0
"""Put a model into a board, and read one in whatever file it comes."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

import orjson

from host.links.base import RegisterFile
from host.model.image import DEPTH, Image, feature_list_id
from host.model.lightgbm import read_lightgbm_dump, read_lightgbm_text
from host.model.rule import image_writes
from host.model.trees import Forest, ModelError
from host.model.xgboost import read_xgboost

__all__ = ["ModelStatus", "confirm", "load_model", "read_model"]

_STATUS_READS = 16


class ModelStatus(IntEnum):
    """What became of the last image sent to a board, register ``model_status``."""

    NONE = 0
    RECEIVING = 1
    ACCEPTED = 2
    MAGIC = 3
    FORMAT = 4
    SHAPE = 5
    FEATURES = 6
    RESERVED = 7
    RANGE = 8
    NODE = 9
    LENGTH = 10
    CHECKSUM = 11
    ORDER = 12


def load_model(board: RegisterFile, image: Image) -> None:
    """Send an image; events are judged by it from one to the next, none by a mix.

    Parameters
    ----------
    board : RegisterFile
        A link, or the simulated board.
    image : Image
        The model.

    Raises
    ------
    ModelError
        The board has no forest, or another one; or it refuses the image, with the name of the
        reason. The model before stays in use.
    """
    shape = board.read("model_shape")
    trees, depth, features = shape & 0xFFFF, shape >> 16 & 0xFF, shape >> 24
    if not shape:
        raise ModelError("board: expected one with a forest, was one without")
    if depth != DEPTH:
        raise ModelError(f"board: expected a forest of depth {DEPTH}, was {depth}")
    if (found := board.read("model_features")) != feature_list_id():
        raise ModelError(f"board: expected feature list {feature_list_id():#x}, was {found:#x}")
    for write in image_writes(image, trees, features):
        board.write(*write)
    confirm(board, image)


def confirm(board: RegisterFile, image: Image) -> None:
    """Wait until an image that was sent is in use.

    Raises
    ------
    ModelError
        The board has refused it.
    """
    for _ in range(_STATUS_READS):  # a commit takes effect some clocks after it is written
        status = board.read("model_status")
        if status != ModelStatus.RECEIVING:
            break
    if status != ModelStatus.ACCEPTED:
        name = ModelStatus(status).name if status in list(ModelStatus) else str(status)
        raise ModelError(
            f"board: expected ACCEPTED, was {name} after {board.read('model_words')} words"
        )
    if (found := board.read("model_id")) != image.identity:
        raise ModelError(f"board: expected model {image.identity:#x} in use, was {found:#x}")


def read_model(path: str | Path) -> Forest:
    """Read a model file of LightGBM or XGBoost; which one it is, is told by what it holds.

    Raises
    ------
    ModelError
        It is neither, or cannot run in the fabric.
    OSError
        It cannot be opened.
    """
    data = Path(path).read_bytes()
    if data[:4] == b"tree":
        try:
            return read_lightgbm_text(data.decode())
        except UnicodeDecodeError:
            raise ModelError(f"{path}: expected UTF-8 text, was something else") from None
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise ModelError(
            f"{path}: expected LightGBM text or JSON, or XGBoost JSON (save_model with a name "
            "that ends in .json), was something else"
        ) from None
    if isinstance(parsed, dict) and "learner" in parsed:
        return read_xgboost(parsed)
    if isinstance(parsed, dict) and "tree_info" in parsed:
        return read_lightgbm_dump(parsed)
    raise ModelError(f"{path}: expected a model of LightGBM or XGBoost, was other JSON")
