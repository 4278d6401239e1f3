"""What ails a glomerulus: a classifier of whole glomeruli, after Glo-In-One (Yao et al. 2022)."""
