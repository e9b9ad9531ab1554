"""The model that makes vectors of texts: one that a package ships, read from its files; nothing is ever downloaded.

The package ``wordllama`` (MIT) has a vector for each of 32,000 tokens and the tokenizer that belongs to them; the
vector of a text is the mean of those of its tokens. Its own code is not imported: it would load an HTTP client, and
look for files elsewhere where it does not find its own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.errors import Refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGE = "wordllama"
NEEDED = (PACKAGE, "numpy", "safetensors", "tokenizers")
WEIGHTS, TOKENS = "weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"
CHARS = 4_000
"""Characters of a text that are looked at: the mean of more says less."""
HINT = "pip install 'quarterdeck[semantic]', then quarterdeck stop"


def missing() -> list[str]:
    """Packages that are not installed; none where texts can be searched by meaning."""
    return [name for name in NEEDED if util.find_spec(name) is None]


class Model:
    """Vectors of texts. Safe to use from several threads."""

    def __init__(self, folder: Path, version: str) -> None:
        import numpy
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        self.name = f"{PACKAGE} {version} {Path(WEIGHTS).stem}"
        """Vectors of different models do not compare."""
        self._numpy = numpy
        self._weights = load_file(folder / WEIGHTS)["embedding.weight"]
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENS))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A row of length 1 for each text; zeros for one that says nothing."""
        numpy = self._numpy
        found = numpy.zeros((len(texts), self._weights.shape[1]), numpy.float32)
        cut = [text[:CHARS].encode("utf-8", "replace").decode() for text in texts]
        for row, tokens in zip(found, self._tokenizer.encode_batch_fast(cut, add_special_tokens=False), strict=True):
            if tokens.ids:
                row += self._weights[tokens.ids].mean(axis=0, dtype=numpy.float32)
        lengths = numpy.linalg.norm(found, axis=1, keepdims=True)
        scaled: NDArray[np.float32] = found / numpy.maximum(lengths, 1e-9)
        return scaled


_LOADING = threading.Lock()


def model() -> Model:
    """The model, loaded once. Raises :class:`Refused` that says what to install."""
    if absent := missing():
        raise Refused(f"searching by meaning needs what is not installed: {', '.join(absent)}", hint=HINT)
    with _LOADING:
        return _loaded()


@lru_cache(maxsize=1)
def _loaded() -> Model:
    found = util.find_spec(PACKAGE)
    for place in (found.submodule_search_locations or []) if found else []:
        folder = Path(place)
        if (folder / WEIGHTS).is_file() and (folder / TOKENS).is_file():
            return Model(folder, metadata.version(PACKAGE))
    raise Refused(f"the {PACKAGE} that is installed ships no model", hint=HINT)
