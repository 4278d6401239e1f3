"""The local page on which a pathologist looks at results and corrects them."""
