"""A report as one HTML file that needs nothing beside it: no network, no other file, and any browser of today.

`page.described` turns directories into a page, a mapping that a template in ``templates`` shows. What is drawn is a
`Chart`: the numbers, how they are drawn by plotly.js, and what they say to somebody who does not see them.
"""
