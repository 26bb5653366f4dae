"""From a question to a paper's text: arXiv search, HTML and PDF."""
