"""Which disease a case shows, from light, fluorescence and electron microscopy (Long et al. 2025)."""
