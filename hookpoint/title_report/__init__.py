"""The report on one title: worked out once, shown in a terminal or as a page."""
