"""What ``run`` and ``sparc`` share: options, the plan, carrying it out, following it, runs of the past."""
