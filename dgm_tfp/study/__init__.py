"""`dgm-tfp ood-study`: the whole of Nalisnick et al. (2019) in one run that can be gone on with."""
