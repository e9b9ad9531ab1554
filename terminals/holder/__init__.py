"""The small process that owns one terminal and outlives everything else we run.

A *parent* (:mod:`terminals.holder.parent`) is started by file path with everything imported, and forks one *holder*
(:mod:`terminals.holder.keeper`) per terminal. A holder records what its terminal prints in a journal and serves one
orchestrator at a time on a Unix socket (:mod:`terminals.holder.wire`). Standard library only.
"""
