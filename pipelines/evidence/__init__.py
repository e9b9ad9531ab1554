"""What shows people what a step did, kept as files: logs, recordings, transcripts, a patch, artifacts.

Each step has a folder of its own, ``steps/<slug of its key>``, with an ``index.json`` that names every file. All of it
can be thrown away and, as long as the state of the run is there, made again.
"""

from pipelines.evidence.keeping import Evidence

__all__ = ["Evidence"]
