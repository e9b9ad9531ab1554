"""The file a run is made from, TOML or YAML of one shape: read, checked, all its mistakes told at once."""

from pipelines.manifest.reading import Document, parse
from pipelines.manifest.schema import Manifest, schema_text
from quarterdeck.lined.mistakes import BadFile, Mistake, Mistakes

__all__ = ["BadFile", "Document", "Manifest", "Mistake", "Mistakes", "parse", "schema_text"]
