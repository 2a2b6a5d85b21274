"""Times as ratios against peers, measured in turn in one process: `make bench`."""
