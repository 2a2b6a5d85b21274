"""What the web site is made of: Sphinx's configuration, templates, styles and words, and the writer of its sources."""
