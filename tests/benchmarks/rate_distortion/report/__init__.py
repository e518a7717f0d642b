"""The report: a chapter for each image set, charts, tables, the page, and the summary on it."""
