"""One page from whatever records there are: behind `twins report`.

collect.py: the latest record of each kind; page.py: its sections; template.html, style.css and
script.js: what is the same on every page.
"""
