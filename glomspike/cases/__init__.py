"""Several slides and images of one biopsy: levels registered, profiles matched, glomeruli counted once."""
